// A plugin that looks at text. It is AssemblyScript: TypeScript's syntax with WebAssembly's types.

import * as host from './shared/host'
import { addressOf, decode, encode, lengthOf } from './shared/text'

export { alloc, free } from './shared/text'

/** Where every word of the indexed text is: line numbers, the first line being 1. */
const index = new Map<string, i32[]>()

/** Counts lines, words and characters. Returns JSON. */
export function count(address: usize, length: i32): u64 {
  const text = decode(address, length)
  let lines = text.length > 0 && !text.endsWith('\n') ? 1 : 0
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) === 10) lines++
  const words = wordsOf(text).length
  return encode(`{"lines":${lines},"words":${words},"characters":${text.length}}`)
}

/** The most frequent words that are not in the host's list of words to skip, as a JSON array of pairs. */
export function frequent(address: usize, length: i32, limit: i32): u64 {
  const skipped = new Set<string>()
  const listed = wordsOf(setting('skip'))
  for (let i = 0; i < listed.length; i++) skipped.add(listed[i])

  const counts = new Map<string, i32>()
  const words = wordsOf(decode(address, length))
  for (let i = 0; i < words.length; i++) {
    const word = words[i]
    if (word.length > 1 && !skipped.has(word)) counts.set(word, counts.has(word) ? counts.get(word) + 1 : 1)
  }

  const order = counts.keys()
  order.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  // A closure cannot reach `counts` here, so the counts travel in the low digits of what is sorted.
  const keys = new Array<i64>(order.length)
  for (let i = 0; i < order.length; i++) keys[i] = ((<i64>counts.get(order[i])) << 32) | (<i64>(order.length - i))
  keys.sort((a, b) => (a > b ? -1 : a < b ? 1 : 0))

  const pairs: string[] = []
  for (let i = 0; i < min(limit, keys.length); i++) {
    const word = order[order.length - <i32>(keys[i] & 0xffffffff)]
    pairs.push(`["${word}",${counts.get(word)}]`)
  }
  return encode(`[${pairs.join(',')}]`)
}

/** Remembers on which lines every word is, for `lookup`. */
export function buildIndex(address: usize, length: i32): void {
  index.clear()
  const lines = decode(address, length).split('\n')
  for (let i = 0; i < lines.length; i++) {
    const words = wordsOf(lines[i])
    for (let j = 0; j < words.length; j++) {
      const word = words[j]
      if (!index.has(word)) index.set(word, [])
      const found = index.get(word)
      if (found.length === 0 || found[found.length - 1] !== i + 1) found.push(i + 1)
    }
  }
  keep('indexed words', index.size.toString())
  say(`indexed ${index.size} different words`)
}

/** The lines that a word is on, as a JSON array. */
export function lookup(address: usize, length: i32): u64 {
  const words = wordsOf(decode(address, length))
  const word = words.length > 0 ? words[0] : ''
  return encode(index.has(word) ? `[${index.get(word).join(',')}]` : '[]')
}

/** The words of a text in lower case. A word is a run of ASCII letters. */
function wordsOf(text: string): string[] {
  const words: string[] = []
  const lower = text.toLowerCase()
  let start = -1
  for (let i = 0; i <= lower.length; i++) {
    const code = i < lower.length ? lower.charCodeAt(i) : 0
    const isLetter = code >= 97 && code <= 122
    if (isLetter && start === -1) start = i
    if (!isLetter && start !== -1) {
      words.push(lower.substring(start, i))
      start = -1
    }
  }
  return words
}

function say(text: string): void {
  const packed = encode(text)
  host.log(addressOf(packed), lengthOf(packed))
  heap.free(addressOf(packed))
}

function keep(key: string, value: string): void {
  const k = encode(key)
  const v = encode(value)
  host.set(addressOf(k), lengthOf(k), addressOf(v), lengthOf(v))
  heap.free(addressOf(k))
  heap.free(addressOf(v))
}

function setting(key: string): string {
  const k = encode(key)
  const found = host.get(addressOf(k), lengthOf(k))
  heap.free(addressOf(k))
  if (found === 0) return ''
  const value = decode(addressOf(found), lengthOf(found))
  heap.free(addressOf(found))
  return value
}
