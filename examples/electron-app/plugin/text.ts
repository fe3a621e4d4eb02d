// Functions on texts. Each instance lives for one call, so that nothing is given back.

import { log } from './shared/host'

export function alloc(size: i32): usize {
  return heap.alloc(max(size, 1))
}

export function upper(at: usize, length: i32): u64 {
  return encode(decode(at, length).toUpperCase())
}

export function reverse(at: usize, length: i32): u64 {
  return encode(decode(at, length).split('').reverse().join(''))
}

export function words(at: usize, length: i32): u64 {
  const words = decode(at, length)
    .split(' ')
    .filter((word) => word.length > 0)
  const line = String.UTF8.encode('counted ' + words.length.toString())
  log(changetype<usize>(line), line.byteLength)
  return encode(words.length.toString())
}

function decode(at: usize, length: i32): string {
  return String.UTF8.decodeUnsafe(at, length)
}

function encode(text: string): u64 {
  const bytes = String.UTF8.encode(text)
  return ((<u64>changetype<usize>(bytes)) << 32) | (<u64>bytes.byteLength)
}
