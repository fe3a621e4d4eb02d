// Stacks of asynchronous calls are kept for later ones, but not the memory that deep recursion has touched.
import test from 'ava'

import { runNode } from './run-node.js'

const script = `
  const guest = \`(module
    (import "m" "wait" (func $wait))
    (func $down (export "down") (param i32)
      (if (i32.eqz (local.get 0)) (then (call $wait) (return)))
      (call $down (i32.sub (local.get 0) (i32.const 1)))
      (drop (local.get 0))))\`
  async function main() {
    const runtime = new wasmtime.Runtime()
    let release
    const gate = new Promise((resolve) => (release = resolve))
    let waiting = 0
    runtime.newHostModuleBuilder('m')
      .newFunctionBuilder().withFunc(() => (waiting++, gate), [], []).export('wait')
      .instantiate()
    const compiled = await runtime.compileModule(guest)
    const rss = () => { gc(); return process.memoryUsage().rss / 1024 }
    const before = rss()
    const calls = []
    for (let i = 0; i < 300; i++) {
      const instance = await runtime.instantiateAsync(compiled, { name: '' })
      calls.push(instance.exports.down.async(16000).finally(() => instance.close()))
    }
    while (waiting < calls.length) await new Promise(setImmediate)
    const deep = rss()
    release()
    await Promise.all(calls)
    await new Promise((resolve) => setTimeout(resolve, 100))
    console.log(JSON.stringify({ deep: (deep - before) / calls.length, after: (rss() - before) / calls.length }))
  }
  main()
`

test('the memory of deep recursion goes back to the system with the call', async (t) => {
  const { status, stdout, stderr } = await runNode(script, { flags: ['--expose-gc'] })
  t.is(status, 0, stderr)
  const { deep, after } = JSON.parse(stdout) as { deep: number; after: number }
  // In KiB for each call. What is warm, and the rest of an instance, is far less than what the recursion took.
  t.true(deep > 250, stdout)
  t.true(after < 120, stdout)
})
