// A plugin that tries everything it should not do. Each function is one attack; none of them returns, or gets anywhere.

import * as host from './shared/host'
import { addressOf, encode, lengthOf, pack } from './shared/text'

export { alloc, free } from './shared/text'

/** Gives up in the middle of the work. */
export function crash(): void {
  unreachable()
}

/** Reads memory that is not there, hoping to see some of the host's. */
export function peek(): i32 {
  return load<i32>(0xfffffff0)
}

/** Writes where there is no memory. */
export function poke(): void {
  store<u64>(0x7ffffff8, 0x4141414141414141)
}

/** Throws an error of its own. */
export function fail(): void {
  throw new Error('the plugin does not feel like it')
}

/** Calls itself without end. */
export function recurse(depth: i32): i32 {
  return recurse(depth + 1) + (depth & 1)
}

/** Takes all the memory that it can get. */
export function devour(): i32 {
  const hoard: ArrayBuffer[] = []
  while (hoard.length < 1_000_000) hoard.push(new ArrayBuffer(1 << 20))
  return hoard.length
}

/** Asks the host for a file that it has no right to. */
export function steal(): u64 {
  const path = encode('/etc/passwd')
  return host.readFile(addressOf(path), lengthOf(path))
}

/** Fills the host's store. */
export function hoard(): void {
  const value = encode('x'.repeat(1000))
  for (let i = 0; i < 1_000_000; i++) {
    const key = encode(i.toString())
    host.set(addressOf(key), lengthOf(key), addressOf(value), lengthOf(value))
    heap.free(addressOf(key))
  }
}

/** Hands the host an address outside its own memory. */
export function lie(): void {
  host.log(0xffffff00, 4096)
}

/** Returns text that begins inside its memory and ends far outside. */
export function overstate(): u64 {
  return pack(8, 0x7fffffff)
}

/** Divides by nothing. */
export function divide(by: i32): i32 {
  return 1 / by
}
