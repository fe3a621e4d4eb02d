import test from 'ava'

import { assertExit, runNode } from './run-node.ts'

// Each of these has ended the process once.

test('what a guest holds while its host function makes references is not collected', async (t) => {
  const outcome = await runNode(
    `const runtime = new wasmtime.Runtime()
    runtime.newHostModuleBuilder('env')
      .newFunctionBuilder().withFunc(() => ({ tag: 'junk' }), [], ['externref']).export('junk')
      .newFunctionBuilder().withFunc((field) => console.log(field), ['i64'], []).export('show')
      .newFunctionBuilder().withFunc((value) => console.log(value), ['externref'], []).export('use')
      .instantiate()
    runtime.instantiateAsync(\`(module
      (type $s (struct (field i64) (field externref)))
      (type $t (struct (field i64) (field i32)))
      (import "env" "junk" (func $junk (result externref)))
      (import "env" "show" (func $show (param i64)))
      (import "env" "use" (func $use (param externref)))
      (func (export "run") (param $n i32) (local $k (ref null $s)) (local $o (ref null $t)) (local $c i32)
        (local.set $k (struct.new $s (i64.const 17) (ref.null extern)))
        (loop $l
          (drop (call $junk))
          (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.set $c (i32.const 2000))
        (loop $m
          (local.set $o (struct.new $t (i64.const 99) (i32.const 64)))
          (br_if $m (local.tee $c (i32.sub (local.get $c) (i32.const 1)))))
        (call $show (struct.get $s 0 (local.get $k)))
        (call $use (struct.get $s 1 (local.get $k)))))\`).then((guest) => guest.exports.run.async(3000))`,
    { timeoutMs: 60_000 },
  )
  assertExit(t, outcome)
  t.is(outcome.stdout, '17n\nnull\n')
})

test('a notice may close its store at the end of a slice, 100 times', async (t) => {
  const outcome = await runNode(
    `const runtime = new wasmtime.Runtime()
    let guest
    runtime.newHostModuleBuilder('env').newFunctionBuilder().withFunc(() => guest?.close(4), [], []).withNotify().export('note').instantiate()
    const compiled = runtime.compileModuleSync(\`(module
      (import "env" "note" (func $note))
      (memory 16)
      (func (export "run") (local $n i32)
        (call $note)
        (loop $l
          (memory.fill (i32.const 0) (i32.const 1) (i32.const 100000))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $l (i32.lt_s (local.get $n) (i32.const 1000000000))))))\`)
    ;(async () => {
      for (let i = 0; i < 100; i++) {
        guest = await runtime.instantiateAsync(compiled, { name: '' })
        const error = await guest.exports.run.async().catch((error) => error)
        if (error.exitCode !== 4) throw error
      }
      console.log('done')
    })()`,
    { timeoutMs: 60_000 },
  )
  assertExit(t, outcome)
  t.is(outcome.stdout, 'done\n')
})

// V8 ends the process when it can make no memory map for itself, so the package must stop before.
const onLinux = process.platform === 'linux' ? test : test.skip
onLinux(
  'guests that wait until the memory maps of the process run out get a LimitError, and the others work on',
  async (t) => {
    const outcome = await runNode(
      `const runtime = new wasmtime.Runtime()
    let release
    const wait = new Promise((resolve) => (release = resolve))
    runtime.newHostModuleBuilder('env').newFunctionBuilder().withFunc(() => wait, [], []).export('wait').instantiate()
    const compiled = runtime.compileModuleSync(\`(module
      (import "env" "wait" (func $wait)) (memory 1)
      (func (export "run") (result i32) (call $wait) (i32.const 7)))\`)
    ;(async () => {
      const most = Number(require('node:fs').readFileSync('/proc/sys/vm/max_map_count', 'utf8'))
      // Where the system allows more, this would only take long.
      if (most > 100_000) return console.log('skipped')
      const calls = []
      let refused
      while (refused === undefined) {
        const guest = await runtime.instantiateAsync(compiled, { name: '' }).catch((error) => void (refused = error))
        if (guest === undefined) break
        const call = guest.exports.run.async()
        call.catch((error) => (refused = error))
        calls.push(call)
        if (calls.length % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      release()
      const results = await Promise.allSettled(calls)
      const done = results.filter((result) => result.value === 7).length
      console.log(refused.code, /memory maps/.test(refused.message), done > 5000, results.length - done <= 64)
      process.exit(0)
    })()`,
      { timeoutMs: 120_000 },
    )
    assertExit(t, outcome)
    t.regex(outcome.stdout, /^(skipped|LIMIT_EXCEEDED true true true)\n$/)
  },
)
