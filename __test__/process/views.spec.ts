import test from 'ava'

import { viewsAllowed } from '../support/external-buffers.js'
import { root, runNode } from './run-node.js'

// Node's own function that detaches a buffer ends the process when JavaScript is being terminated. So stores with views
// are collected, and grow their memories, while their Workers are terminated.
const script = `
  const { Worker } = require('node:worker_threads')
  const guest = \`
    const { Runtime } = require(require('node:worker_threads').workerData)
    const runtime = new Runtime()
    runtime.newHostModuleBuilder('m').newFunctionBuilder().withFunc(() => {}, [], []).export('f').instantiate()
    const compiled = runtime.compileModuleSync(\\\`(module (import "m" "f" (func $f)) (memory (export "memory") 1 9)
      (func (export "grow") (drop (memory.grow (i32.const 1))) (call $f) (drop (memory.grow (i32.const 1)))))\\\`)
    const make = (memory) => (process.env.NODE_WASMTIME_NO_EXTERNAL_BUFFERS ? memory.read(0, memory.size) : memory.view())
    const kept = []
    ;(async () => {
      for (let i = 0; ; i++) {
        const instance = runtime.instantiate(compiled, { name: '' })
        const view = make(instance.memory)
        if (i % 3 === 0) kept.push(view)
        if (kept.length > 50) kept.length = 0
        if (i % 2 === 0) instance.exports.grow()
        if (i % 7 === 0) instance.close()
        if (i % 20 === 0) await new Promise(setImmediate)
      }
    })()
  \`
  ;(async () => {
    for (let i = 0; i < 30; i++) {
      await new Promise((resolve, reject) => {
        const worker = new Worker(guest, { eval: true, workerData: process.cwd() + '/index.js' })
        worker.on('error', reject)
        setTimeout(() => worker.terminate().then(resolve, reject), 60 + i * 11)
      })
    }
    console.log('alive')
  })()
`

test('Workers with views of memories can be terminated at any time', async (t) => {
  const outcome = await runNode(script)
  t.is(outcome.signal, null, outcome.stderr)
  t.is(outcome.status, 0, outcome.stderr)
  t.regex(outcome.stdout, /alive/)
})

// Node calls the finaliser of a buffer that is too large, and then says that it is: who frees what it was given then frees
// it twice.
const tooLarge = `
  const { constants } = require('node:buffer')
  const { Runtime } = require('./index.js')
  const runtime = new Runtime({ memory64: true, memoryReservation: 2 ** 34 })
  const { memory } = runtime.instantiate('(module (memory (export "memory") i64 1 100000))')
  if (memory.grow(80_000) === undefined || memory.size <= constants.MAX_LENGTH) console.log('no such memory')
  else {
    const look = () => { try { memory.view() } catch (error) { console.log(error.name, error.code) } }
    look()
    for (let i = 0; i < 5; i += 1) look()
  }
  runtime.close()
  setImmediate(() => setImmediate(() => console.log('alive')))
`

test('a memory that is too large for a buffer has no view, however often it is asked for', async (t) => {
  const { status, stdout, stderr } = await runNode(tooLarge, { cwd: root })
  t.is(status, 0, stderr)
  const refusal = viewsAllowed ? 'RangeError OUT_OF_RANGE' : 'TypeError INVALID_ARGUMENT'
  t.regex(stdout, new RegExp(`^(?:no such memory|(?:${refusal}\\n){6})\\n?alive\\n$`))
})
