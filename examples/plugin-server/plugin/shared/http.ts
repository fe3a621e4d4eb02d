// The host's functions, in the manner of the language. Nothing is given back: an instance lives as long as one request.

import {
  fetch,
  fetch_read,
  kv_get,
  kv_set,
  log,
  request_read,
  response_header,
  response_status,
  response_write,
} from './host'

/** Most of what is read fits in here. */
const FIRST: i32 = 1024

export namespace request {
  export function method(): string {
    return part(0)
  }
  export function url(): string {
    return part(1)
  }
  export function headers(): string {
    return part(2)
  }
  export function body(): string {
    return part(3)
  }
}

function part(index: i32): string {
  let buffer = heap.alloc(FIRST)
  const size = request_read(index, buffer, FIRST)
  if (size > FIRST) {
    buffer = heap.alloc(size)
    request_read(index, buffer, size)
  }
  return String.UTF8.decodeUnsafe(buffer, size)
}

export namespace response {
  export function status(code: i32): void {
    response_status(code)
  }
  export function header(name: string, value: string): void {
    const a = String.UTF8.encode(name)
    const b = String.UTF8.encode(value)
    response_header(changetype<usize>(a), a.byteLength, changetype<usize>(b), b.byteLength)
  }
  export function write(text: string): void {
    const bytes = String.UTF8.encode(text)
    response_write(changetype<usize>(bytes), bytes.byteLength)
  }
}

export function info(text: string): void {
  const bytes = String.UTF8.encode(text)
  log(1, changetype<usize>(bytes), bytes.byteLength)
}

/** The text at a URL, `null` if there is none to be had. */
export function get(url: string): string | null {
  const bytes = String.UTF8.encode(url)
  if (fetch(changetype<usize>(bytes), bytes.byteLength) !== 200) return null
  const size = fetch_read(0, 0)
  const buffer = heap.alloc(size)
  return String.UTF8.decodeUnsafe(buffer, fetch_read(buffer, size))
}

export namespace store {
  export function get(key: string): string | null {
    const name = String.UTF8.encode(key)
    const size = kv_get(changetype<usize>(name), name.byteLength, 0, 0)
    if (size < 0) return null
    const buffer = heap.alloc(size)
    return String.UTF8.decodeUnsafe(buffer, kv_get(changetype<usize>(name), name.byteLength, buffer, size))
  }
  export function set(key: string, value: string): bool {
    const name = String.UTF8.encode(key)
    const bytes = String.UTF8.encode(value)
    return kv_set(changetype<usize>(name), name.byteLength, changetype<usize>(bytes), bytes.byteLength) !== 0
  }
}
