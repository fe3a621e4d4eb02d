import { createRequire } from 'node:module'

import { type Runtime, wat2wasm } from '../../index.mjs'

/** The functions on paths and descriptors, exported as they are imported, with memory for their arguments. */
const functions: Record<string, string> = {
  fd_read: 'i32 i32 i32 i32',
  fd_write: 'i32 i32 i32 i32',
  fd_close: 'i32',
  fd_readdir: 'i32 i32 i32 i64 i32',
  fd_filestat_set_size: 'i32 i64',
  fd_prestat_get: 'i32 i32',
  path_create_directory: 'i32 i32 i32',
  path_filestat_get: 'i32 i32 i32 i32 i32',
  path_filestat_set_times: 'i32 i32 i32 i32 i64 i64 i32',
  path_link: 'i32 i32 i32 i32 i32 i32 i32',
  path_open: 'i32 i32 i32 i32 i32 i64 i64 i32 i32',
  path_readlink: 'i32 i32 i32 i32 i32 i32',
  path_remove_directory: 'i32 i32 i32',
  path_rename: 'i32 i32 i32 i32 i32 i32',
  path_symlink: 'i32 i32 i32 i32 i32',
  path_unlink_file: 'i32 i32 i32',
}

const source = `(module
  ${Object.entries(functions)
    .map(
      ([name, params]) => `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${params}) (result i32)))`,
    )
    .join('\n')}
  (memory (export "memory") 4)
  (func (export "_initialize"))
  ${Object.entries(functions)
    .map(([name, params]) => {
      const args = params.split(' ').map((_, index) => `(local.get ${index})`)
      return `(func (export "${name}") (param ${params}) (result i32) (call $${name} ${args.join(' ')}))`
    })
    .join('\n')})`

const FIRST = 4096
const SECOND = 80_000
const RESULT = 160_000

/** What a guest can try; each gives an error number, or what it has got at. */
export interface Escapist {
  /** Opens a path and reads from it. */
  read(path: string, dir?: number): number | string
  /** Opens a path and writes to it; with the flags of `path_open`. */
  write(path: string, flags?: number): number
  readdir(path: string): number | string
  stat(path: string): number
  setTimes(path: string): number
  mkdir(path: string): number
  rmdir(path: string): number
  unlink(path: string): number
  rename(from: string, to: string): number
  link(from: string, to: string, follow?: boolean): number
  symlink(target: string, path: string): number
  readlink(path: string): number | string
  /** Reads from a descriptor that it was not given. */
  readFd(fd: number): number | string
}

interface Raw {
  readonly exports: Record<string, (...args: any[]) => number>
  /** A copy of so many bytes of the guest's memory. */
  get(at: number, length: number): Uint8Array
  set(at: number, bytes: Uint8Array): void
}

const READ = 2n + 0x4000n
const WRITE = 64n

function escapist({ exports, get, set }: Raw): Escapist {
  const put = (at: number, text: string): [number, number] => {
    const encoded = Buffer.from(text)
    set(at, encoded)
    return [at, encoded.length]
  }
  const call = (name: string, ...args: (number | bigint)[]): number => {
    const result = exports[name]?.(...args)
    if (typeof result !== 'number') throw new Error(`${name} gave ${result}`)
    return result
  }
  const getUint32 = (at: number) => Buffer.from(get(at, 4)).readUInt32LE()
  const setUint32 = (at: number, value: number) => set(at, new Uint8Array(Uint32Array.of(value).buffer))
  const open = (
    path: string,
    dir: number,
    flags: number,
    rights: bigint,
    follow = 1,
  ): { error: number; fd: number } => {
    const [at, length] = put(FIRST, path)
    const error = call('path_open', dir, follow, at, length, flags, rights, rights, 0, RESULT)
    return { error, fd: getUint32(RESULT) }
  }
  const readFd = (fd: number): number | string => {
    setUint32(RESULT, SECOND)
    setUint32(RESULT + 4, 1000)
    const error = call('fd_read', fd, RESULT, 1, RESULT + 8)
    const length = getUint32(RESULT + 8)
    return error === 0 ? Buffer.from(get(SECOND, length)).toString() : error
  }
  const onPath = (name: string, path: string) => call(name, 3, ...put(FIRST, path))
  return {
    read(path, dir = 3) {
      const { error, fd } = open(path, dir, 0, READ)
      if (error !== 0) return error
      const result = readFd(fd)
      call('fd_close', fd)
      return result
    },
    write(path, flags = 0) {
      const { error, fd } = open(path, 3, flags, WRITE)
      if (error !== 0) return error
      const [at, length] = put(SECOND, 'overwritten')
      setUint32(RESULT, at)
      setUint32(RESULT + 4, length)
      const result = call('fd_write', fd, RESULT, 1, RESULT + 8)
      call('fd_close', fd)
      return result
    },
    readdir(path) {
      const { error, fd } = open(path, 3, 2, 0x4000n)
      if (error !== 0) return error
      const result = call('fd_readdir', fd, SECOND, 4000, 0n, RESULT)
      const length = getUint32(RESULT)
      call('fd_close', fd)
      return result === 0 ? Buffer.from(get(SECOND, length)).toString('latin1') : result
    },
    stat: (path) => call('path_filestat_get', 3, 1, ...put(FIRST, path), RESULT),
    setTimes: (path) => call('path_filestat_set_times', 3, 1, ...put(FIRST, path), 1n, 1n, 5),
    mkdir: (path) => onPath('path_create_directory', path),
    rmdir: (path) => onPath('path_remove_directory', path),
    unlink: (path) => onPath('path_unlink_file', path),
    rename: (from, to) => call('path_rename', 3, ...put(FIRST, from), 3, ...put(SECOND, to)),
    link: (from, to, follow = false) =>
      call('path_link', 3, follow ? 1 : 0, ...put(FIRST, from), 3, ...put(SECOND, to)),
    symlink: (target, path) => call('path_symlink', ...put(FIRST, target), 3, ...put(SECOND, path)),
    readlink(path) {
      const error = call('path_readlink', 3, ...put(FIRST, path), SECOND, 1000, RESULT)
      const length = getUint32(RESULT)
      return error === 0 ? Buffer.from(get(SECOND, length)).toString() : error
    },
    readFd,
  }
}

function outOfBounds(at: number): never {
  throw new RangeError(`nothing is at ${at}`)
}

/** A guest of this package with one directory. */
export function ourEscapist(runtime: Runtime, path: string, write = true): Escapist {
  const instance = runtime.instantiate(source, { wasi: { preopens: { '/': { path, write } } } })
  const { memory } = instance
  if (memory === undefined) throw new Error('no memory')
  return escapist({
    exports: instance.exports,
    get: (at, length) => memory.read(at, length) ?? outOfBounds(at),
    set: (at, bytes) => void (memory.write(at, bytes) || outOfBounds(at)),
  })
}

/** The same with `node:wasi`. */
export function nodeEscapist(path: string): Escapist {
  const { WASI } = createRequire(import.meta.url)('node:wasi') as { WASI: new (options: object) => any }
  const { WebAssembly } = globalThis as any
  const wasi = new WASI({ version: 'preview1', preopens: { '/': path } })
  const module = new WebAssembly.Module(wat2wasm(source))
  const instance = new WebAssembly.Instance(module, wasi.getImportObject())
  wasi.initialize(instance)
  const bytes = () => new Uint8Array(instance.exports.memory.buffer)
  return escapist({
    exports: instance.exports,
    get: (at, length) => bytes().slice(at, at + length),
    set: (at, source) => bytes().set(source, at),
  })
}
