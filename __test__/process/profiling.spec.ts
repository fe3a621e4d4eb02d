// Profiles and core dumps in the middle of what may crash or keep a process alive.
import test from 'ava'

import { assertExit, runForJson, runNode } from './run-node.ts'

const GUEST = `(module (memory (export "memory") 1)
  (func $hot (export "run") (param $n i32)
    (loop $l (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $l (local.get $n)))) (func (export "trap") unreachable))`

test('a profile that is never finished neither keeps the process alive nor its store', async (t) => {
  const result = await runForJson<{ collected: boolean }>(
    t,
    `const runtime = new wasmtime.Runtime()
    const registry = new FinalizationRegistry(() => { collected = true })
    let collected = false
    ;(() => {
      const guest = runtime.instantiate(${JSON.stringify(GUEST)}, { name: '' })
      registry.register(guest.startProfiling(), 0)
      guest.exports.run(10)
    })()
    const wait = async () => {
      for (let round = 0; round < 500 && !(collected && runtime.stats().stores === 0); round++) {
        globalThis.gc()
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      console.log(JSON.stringify({ collected }))
    }
    wait()`,
    { flags: ['--expose-gc'] },
  )
  t.true(result.collected)
})

test('profiles begin, end and are dropped at any moment while guests compute, trap and are closed', async (t) => {
  const outcome = await runNode(
    `const runtime = new wasmtime.Runtime({ coredumpOnTrap: true, poolThreads: 2 })
    const compiled = runtime.compileModuleSync(${JSON.stringify(GUEST)})
    let seed = 7
    const random = (n) => (seed = (seed * 48271) % 2147483647) % n
    const one = async () => {
      const guest = await runtime.instantiateAsync(compiled, { name: '' })
      const calls = []
      let profiler
      for (let step = 0; step < 30; step++) {
        const what = random(7)
        if (what === 0) profiler ??= guest.startProfiling({ intervalMs: 1 + random(3) })
        else if (what === 1 && profiler) { JSON.parse(Buffer.from(profiler.finish())); profiler = undefined }
        else if (what === 2) calls.push(guest.exportedFunction('trap').callAsync().catch((e) => e.coredump.length))
        else if (what === 3) globalThis.gc()
        else if (what === 4) calls.push(guest.exportedFunction('run').callAsyncWith({ timeoutMs: random(5) }, 1e8).catch(() => {}))
        else calls.push(guest.exports.run.async(1 + random(5e6)))
        if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve, random(3)))
      }
      if (random(2) === 0) guest.close()
      await Promise.allSettled(calls)
      if (profiler && random(2) === 0) profiler.finish()
      guest.close()
    }
    Promise.all(Array.from({ length: 8 }, one)).then(() => {
      if (runtime.stats().stores !== 0) throw new Error('stores are left')
      console.log('done')
    })`,
    { flags: ['--expose-gc'] },
  )
  assertExit(t, outcome)
  t.is(outcome.stdout, 'done\n')
})

test('a Worker may be terminated while its guest is profiled on another thread', async (t) => {
  const outcome = await runNode(
    `const { Worker } = require('node:worker_threads')
    const text = ${JSON.stringify(GUEST)}
    const code = 'const { Runtime } = require(process.env.PACKAGE);' +
      'new Runtime().instantiateAsync(' + JSON.stringify(text) + ').then((guest) => {' +
      ' globalThis.profiler = guest.startProfiling(); guest.exports.run.async(0).catch(() => {});' +
      ' require("node:worker_threads").parentPort.postMessage(1) })'
    const once = () => new Promise((resolve, reject) => {
      const worker = new Worker(code, { eval: true, env: { PACKAGE: require.resolve(${JSON.stringify(new URL('../../index.js', import.meta.url).pathname)}) } })
      worker.on('error', reject)
      worker.on('message', () => setTimeout(() => worker.terminate().then(resolve), 20))
    })
    ;(async () => { for (let round = 0; round < 5; round++) await once(); console.log('done') })()`,
  )
  assertExit(t, outcome)
  t.is(outcome.stdout, 'done\n')
})
