// Host functions of async mode run below the frames of the poll that their guest is in the middle of. How much room those
// frames have is an assumption, which is checked here on the platform that the tests run on.
import test from 'ava'

import { root, runNode } from './run-node.js'

const script = `
  const { Runtime } = wasmtime
  const guest = \`(module
    (import "m" "plain" (func $plain (param i32) (result i32)))
    (import "m" "promise" (func $promise (param i32) (result i32)))
    (import "m" "again" (func $again (param i32) (result i32)))
    (import "m" "awaits" (func $awaits (param i32) (result i32)))
    (import "m" "reference" (func $reference (param externref) (result externref)))
    (import "m" "fails" (func $fails))
    (memory (export "memory") 1)
    (func $start (drop (call $plain (i32.const 1))))
    (start $start)
    (func (export "leaf") (param i32) (result i32) (call $plain (local.get 0)))
    (func (export "fails") (call $fails))
    (func (export "all") (param i32) (result i32)
      (drop (call $reference (call $reference (ref.null extern))))
      (drop (memory.grow (i32.const 1)))
      (call $plain (call $awaits (call $again (call $promise (call $plain (local.get 0))))))))\`
  async function main() {
    const runtime = new Runtime({ fuel: true })
    let instance
    runtime.newHostModuleBuilder('m')
      .newFunctionBuilder().withFunc((x) => x + 1, ['i32'], ['i32']).export('plain')
      .newFunctionBuilder().withFunc(async (x) => x + 1, ['i32'], ['i32']).export('promise')
      .newFunctionBuilder().withFunc((x) => instance.exports.leaf(x), ['i32'], ['i32']).export('again')
      .newFunctionBuilder().withFunc(async (x) => instance.exports.leaf.async(await instance.exports.leaf.async(x)), ['i32'], ['i32']).export('awaits')
      .newFunctionBuilder().withFunc(() => ({}), ['externref'], ['externref']).export('reference')
      .newFunctionBuilder().withFunc(() => { throw new Error('intended') }, [], []).export('fails')
      .instantiate()
    instance = await runtime.instantiateAsync(guest, { name: '' })
    const failure = await instance.exports.fails.async().catch((error) => error.message)
    const results = []
    for (let i = 0; i < 100; i++) results.push(await instance.exports.all.async(i), instance.exportedFunction('leaf').call(i))
    console.log(failure, results.every((result, i) => result === (i >> 1) + (i % 2 ? 1 : 6)))
  }
  main().catch((error) => console.log(error.message))
`

const run = async (bytes: number): Promise<{ status: number | null; stdout: string; stderr: string }> =>
  runNode(script, { cwd: root, env: { ...process.env, NODE_WASMTIME_MAX_USED_BY_POLL: String(bytes) } })

test('two thirds of what a poll may use of the stack are enough', async (t) => {
  const { status, stdout, stderr } = await run(8192)
  t.is(status, 0, stderr)
  t.is(stdout, 'intended true\n')
})

const testWithStacks = process.platform === 'win32' ? test.skip : test

testWithStacks('a poll that uses more than it may is noticed', async (t) => {
  const { stdout } = await run(256)
  t.regex(stdout, /^a poll has used more of the stack than it may/)
})
