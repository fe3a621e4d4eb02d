// Guests in a pool of Workers: node examples/worker-pool/main.mjs

import { availableParallelism } from 'node:os'

// In a project of your own: import { Runtime } from 'node-wasmtime'
import { Runtime } from '../../index.mjs'
import { JobError, WorkerPool } from './worker-pool.mjs'

const GUEST = `(module $bits
  (import "host" "countBits" (func $count (param i32) (result i32)))
  (import "host" "exit" (func $exit))
  ;; How many bits are set in the numbers from 0 to below n: a host call for each.
  (func (export "bits") (param $n i32) (result i64) (local $sum i64)
    (loop $again
      (if (local.get $n) (then
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $count (local.get $n)))))
        (br $again))))
    (local.get $sum))
  (func (export "forever") (loop $again (br $again)))
  (func (export "exit") (call $exit)))`

const runtime = new Runtime()
const compiled = await runtime.compileModule(GUEST)
const pool = new WorkerPool(runtime, compiled, Math.max(2, availableParallelism()))

console.log('1. Forty jobs on all Workers')
const sums = await Promise.all(Array.from({ length: 40 }, () => pool.run('bits', [4096])))
console.log(`   all answers are right: ${sums.every((sum) => sum === 24_576n)}`)
console.log(`   modules that were compiled, by all threads together: ${runtime.stats().totals.compiledModules}`)

console.log('2. A job that does not end, with a deadline')
console.log(`   ${await failure(pool.run('forever', [], { timeoutMs: 50 }))}`)

console.log('3. A job that takes its Worker along')
const { size } = pool
console.log(`   ${await failure(pool.run('exit', []))}`)
console.log(`   another Worker has taken its place: ${pool.size === size}`)
console.log(`   and the pool works: ${(await pool.run('bits', [16])) === 32n}`)

console.log('4. The pool is closed while guests loop without an end and without a deadline')
const endless = Array.from({ length: size }, () => failure(pool.run('forever', [])))
await new Promise((resolve) => {
  setTimeout(resolve, 50)
})
await pool.close()
console.log(`   all Workers have ended: ${pool.size === 0}`)
console.log(`   all jobs have failed: ${(await Promise.all(endless)).length === size}`)
compiled.close()
runtime.close()

/**
 * What a job fails with, in a line.
 *
 * @param {Promise<unknown>} job
 */
async function failure(job) {
  try {
    return `no failure, but ${String(await job)}`
  } catch (error) {
    if (error instanceof JobError) return `${error.kind}: ${error.message.split('\n')[0]}`
    return error instanceof Error ? error.message : String(error)
  }
}
