// Text crosses the border as UTF-8: an address and a length in bytes, in memory that either side gets from `alloc`.

/** Gives the caller memory; the host uses it to put text in. */
export function alloc(size: i32): usize {
  return heap.alloc(max(size, 1))
}

/** Takes memory back that came from `alloc`. */
export function free(address: usize): void {
  heap.free(address)
}

/** An address and a length in one number, for functions that return text. */
export function pack(address: usize, length: i32): u64 {
  return ((<u64>address) << 32) | (<u64>(<u32>length))
}

/** Turns UTF-8 into a string. */
export function decode(address: usize, length: i32): string {
  return String.UTF8.decodeUnsafe(address, length)
}

/** Copies a string into memory that the receiver gives back with `free`. */
export function encode(text: string): u64 {
  const length = String.UTF8.byteLength(text)
  const address = alloc(length)
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, address)
  return pack(address, length)
}

/** The address in a packed text. */
export function addressOf(text: u64): usize {
  return <usize>(text >> 32)
}

/** The length in a packed text. */
export function lengthOf(text: u64): i32 {
  return <i32>(text & 0xffffffff)
}
