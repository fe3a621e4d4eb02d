import test from 'ava'

import { wat2wasm } from '../../index.mjs'
import { runForJson } from './run-node.ts'

const file = { file: 'worker.cjs' }

/** A guest for V8, which traps on the main thread before and after the Workers have loaded the addon. */
const bytes = wat2wasm('(module (memory 1) (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))')
const env = { ...process.env, OOB_BYTES: Buffer.from(bytes).toString('base64') }

test('twenty Workers at once load the addon, compile, call, trap and exit, and the main thread lives on', async (t) => {
  t.is(await runForJson<number>(t, file, { args: ['together'], env }), 20)
})

test('Workers one after another, with the addon unloaded in between, do so too', async (t) => {
  t.is(await runForJson<number>(t, file, { args: ['inTurn'], env }), 10)
})

test('Workers and the main thread use the addon at the same time', async (t) => {
  t.is(await runForJson<number>(t, file, { args: ['besideMain'], env }), 8)
})

test('process.exit() inside a host function ends a Worker with its code', async (t) => {
  t.is(await runForJson<number>(t, file, { args: ['exit', '', '20'], env }), 40)
})

const loops = {
  loop: 'in an endless wasm loop that calls a host function',
  stackLoop: 'in an endless wasm loop that calls a host function with a stack',
  deepLoop: 'two thousand wasm frames deep',
  namedLoop: 'in a call with options of a named instance',
  nestedLoop: 'below several stores and start functions',
  churn: 'while it makes and closes instances',
  traps: 'while it traps',
  compileLoop: 'during compileModule',
  compileSyncLoop: 'during compileModuleSync',
  errors: 'while a host function throws',
}
for (const [loop, where] of Object.entries(loops)) {
  test(`terminating a Worker ${where}, 60 times, leaves the main thread working`, async (t) => {
    t.is(await runForJson<number>(t, file, { args: ['terminate', loop, '60'], env }), 60)
  })
}

test('terminating several Workers at once, each in the middle of something else, works 15 times', async (t) => {
  const names = 'loop,churn,traps,compileLoop,nestedLoop'
  t.is(await runForJson<number>(t, file, { args: ['terminate', names, '15'], env }), 75)
})

test('the process exits while Workers compile, call and trap', async (t) => {
  for (let round = 0; round < 5; round++) {
    t.is(await runForJson<number>(t, file, { args: ['abandon', 'loop,churn,compileLoop,traps'], env }), 4)
  }
})

test('the whole runtime API works in a Worker', async (t) => {
  t.is(await runForJson<string>(t, { file: 'whole-api.cjs' }, { args: ['worker'] }), 'worker')
})

test('the same program works on the main thread', async (t) => {
  t.is(await runForJson<string>(t, { file: 'whole-api.cjs' }, { args: ['main'] }), 'main')
})

test('terminating Workers that share an engine leaves the thread that they share it with working', async (t) => {
  t.is(await runForJson<number>(t, { file: 'shared-engine.cjs' }, { args: ['60'] }), 60)
})
