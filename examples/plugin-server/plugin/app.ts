// The plugin. Every function that takes an address and a length and returns a packed text is a route of the server.
// It gives no memory back, for its instance lives as long as one request.

import { lookup } from './shared/host'

let visits = 0

/** Memory for what the host brings. */
export function alloc(size: i32): usize {
  return heap.alloc(max(size, 1))
}

/** The text as it came. */
export function echo(address: usize, length: i32): u64 {
  return pack(address, length)
}

/** The text in upper case. */
export function upper(address: usize, length: i32): u64 {
  return encode(decode(address, length).toUpperCase())
}

/** Greets the user with the text. */
export function greet(address: usize, length: i32): u64 {
  const key = String.UTF8.encode('name')
  const name = lookup(changetype<usize>(key), key.byteLength)
  if (name === 0) return encode('Who are you?')
  return encode(decode(address, length) + ', ' + decode(<usize>(name >> 32), <i32>(name & 0xffffffff)))
}

/** How often this instance has been called. */
export function count(address: usize, length: i32): u64 {
  visits++
  return encode(visits.toString())
}

/** Divides a hundred by the length of the text. */
export function divide(address: usize, length: i32): u64 {
  return encode((100 / length).toString())
}

/** Never ends. */
export function spin(address: usize, length: i32): u64 {
  while (true) visits++
}

function pack(address: usize, length: i32): u64 {
  return ((<u64>address) << 32) | (<u64>(<u32>length))
}

function decode(address: usize, length: i32): string {
  return String.UTF8.decodeUnsafe(address, length)
}

function encode(text: string): u64 {
  const bytes = String.UTF8.encode(text)
  return pack(changetype<usize>(bytes), bytes.byteLength)
}
