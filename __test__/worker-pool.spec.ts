// The pool of examples/worker-pool, where its jobs or its Workers go wrong. That its program works is in examples.spec.ts.
import test, { type ExecutionContext } from 'ava'

import { JobError, WorkerPool } from '../examples/worker-pool/worker-pool.mjs'
import type { Runtime } from '../index.mjs'

import { LIMIT, openRuntime, until } from './support/async.ts'

const GUEST = `(module
  (import "host" "countBits" (func $count (param i32) (result i32)))
  (import "host" "exit" (func $exit))
  (func (export "bits") (param i32) (result i32) (call $count (local.get 0)))
  (func (export "same") (param externref) (result externref) (local.get 0))
  (func (export "exit") (call $exit)))`

/** A pool for a test, with a runtime of its own. */
async function openPool(
  t: ExecutionContext,
  guest: string,
  size = 1,
): Promise<{ pool: WorkerPool; runtime: Runtime; close: () => void }> {
  const runtime = openRuntime(t)
  const compiled = await runtime.compileModule(guest)
  const pool = new WorkerPool(runtime, compiled, size)
  t.teardown(() => pool.close())
  return { pool, runtime, close: () => (compiled.close(), runtime.close()) }
}

const failureOf = async (t: ExecutionContext, job: Promise<unknown>): Promise<JobError> =>
  (await t.throwsAsync(job, { instanceOf: JobError })) as JobError

test('an argument that cannot be posted fails its job, and costs no Worker', async (t) => {
  const { pool } = await openPool(t, GUEST)
  const bad = [() => {}, Symbol('s'), new WeakMap()]
  // The first ones wait until the Worker is ready, the others are posted at once.
  for (let round = 0; round < 2; round++) {
    const jobs = Promise.allSettled(bad.map((arg) => pool.run('same', [arg])))
    t.is(await pool.run('bits', [7]), 3)
    const names = (await jobs).map((job) => job.status === 'rejected' && (job.reason as Error).name)
    t.deepEqual(names, ['DataCloneError', 'DataCloneError', 'DataCloneError'])
  }
  t.deepEqual(await pool.run('same', [{ a: 1n }]), { a: 1n })
  t.is(pool.size, 1)
})

test('a function that the guest does not export is an error', async (t) => {
  const { pool } = await openPool(t, GUEST)
  const error = await failureOf(t, pool.run('no such', []))
  t.is(error.kind, 'TypeError')
  t.is(error.message, 'the guest exports no function called "no such"')
  t.is(await pool.run('bits', [7]), 3)
})

test('the deadline holds for start functions as well', async (t) => {
  const { pool } = await openPool(
    t,
    '(module (func (export "f")) (func $start (export "_start") (loop (br 0))) (start $start))',
  )
  t.is((await failureOf(t, pool.run('f', [], { timeoutMs: 30 }))).code, 'INTERRUPTED')
  t.is(pool.size, 1)
})

test('a guest that cannot be instantiated fails its jobs, and costs no Worker', async (t) => {
  const { pool } = await openPool(t, '(module (import "no" "such" (func)))')
  for (let round = 0; round < 3; round++) t.is((await failureOf(t, pool.run('f', []))).code, 'LINK_ERROR')
})

// One at a time: it counts the Workers of the process.
test.serial(
  'Workers that are never ready are started again after pauses that grow, and jobs are told why',
  async (t) => {
    const runtime = openRuntime(t)
    const other = openRuntime(t)
    // The Worker cannot attach to a module of another engine.
    const compiled = await other.compileModule('(module)')
    const starts: number[] = []
    const count = (): void => void starts.push(performance.now())
    process.on('worker', count)
    t.teardown(() => process.off('worker', count))
    const pool = new WorkerPool(runtime, compiled, 1)
    t.teardown(() => pool.close())
    const error = await t.throwsAsync(pool.run('f', []), { message: 'no Worker could be started' })
    t.true(error?.cause instanceof Error)
    await until(() => starts.length === 4)
    // Not sooner than 100, 200 and 400 ms after one another; timers may round down.
    t.true(starts[3]! - starts[0]! > 690, `${starts}`)
  },
)

test('when no Worker can be started any more, what waits is rejected, and so is what comes after it', async (t) => {
  t.timeout(LIMIT)
  const { pool, close } = await openPool(t, GUEST)
  t.is(await pool.run('bits', [7]), 3)
  const last = pool.run('exit', [])
  const waiting = [pool.run('bits', [1]), pool.run('bits', [2])]
  // `share()` throws from now on.
  close()
  await t.throwsAsync(last, { message: 'the Worker has ended with status 3' })
  for (const job of [...waiting, pool.run('bits', [3])]) {
    const error = await t.throwsAsync(job, { message: 'the pool can start no more Workers' })
    t.like(error?.cause, { name: 'ClosedError' })
  }
  t.is(pool.size, 0)
})
