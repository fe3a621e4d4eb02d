// A guest that knows nothing of promises: for it, `fetch` is a function that returns when it has the text.

import { fetch } from './shared/host'

/** Memory for what the host brings: an address, or a text. */
export function alloc(size: i32): usize {
  return heap.alloc(max(size, 1))
}

/** Counts the words of the text that is found at a URL. */
export function countWords(url: usize, length: i32): i32 {
  const text = fetch(url, length)
  const start = <usize>(text >> 32)
  const end = start + <usize>(text & 0xffffffff)
  let words = 0
  let before: u8 = 32
  for (let at = start; at < end; at++) {
    const byte = load<u8>(at)
    if (byte > 32 && before <= 32) words++
    before = byte
  }
  return words
}
