// A WASI program: arguments, environment, input, output, files, exit codes, in both modes, with streams and promises.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'

import { assert, pass, wasmtime } from './check.mjs'

const { Runtime, wat2wasm } = wasmtime
const runtime = new Runtime()

// Copies its input to its output, and ends with the number of bytes.
const cat = wat2wasm(`(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $n i32) (local $sum i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (loop $again
      (i32.store (i32.const 4) (i32.const 4096))
      (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 99))))
      (local.set $n (i32.load (i32.const 8)))
      (if (local.get $n) (then
        (local.set $sum (i32.add (local.get $sum) (local.get $n)))
        (i32.store (i32.const 4) (local.get $n))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (br $again))))
    (call $exit (local.get $sum))))`)

const sync = runtime.runCommandSync(cat, { wasi: { stdin: 'hello' } })
assert.deepEqual([sync.exitCode, sync.stdout.toString()], [5, 'hello'])
const async = await runtime.runCommand(cat, { wasi: { stdin: 'hello' } })
assert.deepEqual([async.exitCode, async.stdout.toString()], [5, 'hello'])
assert.ok(Buffer.isBuffer(async.stdout))

const written = []
const stdout = new Writable({
  highWaterMark: 4,
  write: (chunk, _, done) => {
    written.push(chunk.toString())
    setTimeout(done, 1)
  },
})
const streamed = await runtime.runCommand(cat, { wasi: { stdin: Readable.from(['one ', 'two ', 'three']), stdout } })
assert.deepEqual([streamed.exitCode, written.join('')], [13, 'one two three'])
const web = new ReadableStream({
  start(controller) {
    controller.enqueue(new TextEncoder().encode('web'))
    controller.close()
  },
})
const pieces = []
assert.equal(
  (await runtime.runCommand(cat, { wasi: { stdin: web, stdout: (chunk) => void pieces.push(chunk.toString()) } }))
    .exitCode,
  3,
)
assert.equal(pieces.join(''), 'web')

// Copies a file of its directory to another one.
const copy = `(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "in.txt") (data (i32.const 120) "out.txt")
  (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
  (func (export "_start")
    (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 6) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))
    (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 120) (i32.const 7) (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 20)))
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 4096))
    (call $check (call $read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (call $check (call $write (i32.load (i32.const 20)) (i32.const 0) (i32.const 1) (i32.const 8)))))`
const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-'))
try {
  writeFileSync(join(folder, 'in.txt'), 'content')
  const wasi = { preopens: { '/': { path: folder, write: true } } }
  assert.equal((await runtime.runCommand(copy, { wasi })).exitCode, 0)
  assert.equal(readFileSync(join(folder, 'out.txt'), 'utf8'), 'content')
  assert.notEqual((await runtime.runCommand(copy, { wasi: { preopens: { '/': folder } } })).exitCode, 0)
} finally {
  rmSync(folder, { recursive: true })
}
runtime.close()
pass()
