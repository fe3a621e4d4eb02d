/** Imports that a guest in WAT can name; its memory must come after them. */
const imports = `
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))`

/** A guest with all these imports, two pages of memory and some helpers. Below address 1024 is room for their own use. */
export function guest(body: string, more = ''): string {
  return `(module ${imports} ${more}
  (memory (export "memory") 2)
  ;; Writes bytes of the memory to a descriptor, all of them; gives the error number.
  (func $write (export "write") (param $fd i32) (param $at i32) (param $length i32) (result i32)
    (local $error i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $length)))
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $length))
        (local.set $error (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
        (br_if $done (local.get $error))
        (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
        (local.set $length (i32.sub (local.get $length) (i32.load (i32.const 8))))
        (br $more)))
    (local.get $error))
  ;; Reads from a descriptor to an address; gives the bytes read, or the error number as a negative one.
  (func $read (export "read") (param $fd i32) (param $at i32) (param $room i32) (result i32)
    (local $error i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $room))
    (local.set $error (call $fd_read (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)))
    (if (result i32) (local.get $error)
      (then (i32.sub (i32.const 0) (local.get $error)))
      (else (i32.load (i32.const 24)))))
  ;; Opens a path of a directory; gives the descriptor, or the error number as a negative one.
  (func $open (export "open")
    (param $dir i32) (param $at i32) (param $length i32) (param $flags i32) (param $rights i64) (result i32)
    (local $error i32)
    (local.set $error
      (call $path_open (local.get $dir) (i32.const 1) (local.get $at) (local.get $length) (local.get $flags)
        (local.get $rights) (local.get $rights) (i32.const 0) (i32.const 32)))
    (if (result i32) (local.get $error)
      (then (i32.sub (i32.const 0) (local.get $error)))
      (else (i32.load (i32.const 32)))))
  ;; Sleeps for so many nanoseconds; gives the error number.
  (func $sleep (export "sleep") (param $time i64) (result i32)
    (i64.store (i32.const 64) (i64.const 7))
    (i64.store (i32.const 72) (i64.const 0))
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (local.get $time))
    (i64.store (i32.const 96) (i64.const 0))
    (i32.store (i32.const 104) (i32.const 0))
    (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 192)))
  ${body})`
}

/** Writes to standard output and error, then exits with 3. */
export const hello = guest(`
  (data (i32.const 1024) "hello\\n")
  (data (i32.const 1040) "oh dear\\n")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 6)))
    (drop (call $write (i32.const 2) (i32.const 1040) (i32.const 8)))
    (call $proc_exit (i32.const 3)))`)

/** Copies its standard input to its standard output. */
export const cat = guest(`
  (func (export "_start")
    (local $n i32)
    (loop $more
      (local.set $n (call $read (i32.const 0) (i32.const 4096) (i32.const 65536)))
      (if (i32.lt_s (local.get $n) (i32.const 0)) (then (call $proc_exit (i32.const 99))))
      (if (call $write (i32.const 1) (i32.const 4096) (local.get $n)) (then (call $proc_exit (i32.const 98))))
      (br_if $more (i32.gt_s (local.get $n) (i32.const 0)))))`)

/** Writes its arguments, or its environment, each with a NUL at the end. */
const list = (what: 'args' | 'environ'): string =>
  guest(`
  (func (export "_start")
    (drop (call $${what}_sizes_get (i32.const 40) (i32.const 44)))
    (drop (call $${what}_get (i32.const 1024) (i32.const 4096)))
    (drop (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 44)))))`)
export const args = list('args')
export const environ = list('environ')

/** Writes 32 bytes: 16 random ones, its wall clock and its monotonic one. */
export const world = guest(`
  (func (export "_start")
    (drop (call $random_get (i32.const 1024) (i32.const 16)))
    (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 1040)))
    (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 1048)))
    (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 32))))`)

/** Writes a mebibyte of "x", then a line. */
export const big = guest(`
  (func (export "_start")
    (local $n i32)
    (memory.fill (i32.const 4096) (i32.const 120) (i32.const 65536))
    (local.set $n (i32.const 16))
    (loop $more
      (if (call $write (i32.const 1) (i32.const 4096) (i32.const 65536)) (then (call $proc_exit (i32.const 98))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (local.get $n)))
    (i32.store8 (i32.const 4096) (i32.const 10))
    (drop (call $write (i32.const 1) (i32.const 4096) (i32.const 1))))`)

/** Sleeps for as many nanoseconds as its export `time` says. */
export const sleeper = guest(`
  (global $time (export "time") (mut i64) (i64.const 3600000000000))
  (func (export "_start")
    (drop (call $sleep (global.get $time))))`)

/** A library, with `_initialize`. */
export const reactor = guest(`
  (global $ready (export "ready") (mut i32) (i32.const 0))
  (data (i32.const 1024) "tick\\n")
  (func (export "_initialize") (global.set $ready (i32.const 1)))
  (func (export "tick") (result i32) (call $write (i32.const 1) (i32.const 1024) (i32.const 5)))
  (func (export "exit") (param i32) (call $proc_exit (local.get 0)))`)
