/** The variants of `scripts/soak.mjs` for asynchronous calls; see there what a variant is. */
import { Runtime } from '../../index.mjs'

const GUEST = `(module
  (import "m" "settled" (func $settled (param i32) (result i32)))
  (import "m" "never" (func $never))
  (memory (export "memory") 1)
  (func (export "run") (param i32) (result i32) (call $settled (local.get 0)))
  (func (export "never") (call $never))
  (func (export "forever") (loop $l (br $l))))`

const ignore = () => {}

/** A runtime whose host functions capture the instance that they are for, and a module. */
function open() {
  // Small reservations, since many are alive until the collector runs.
  const runtime = new Runtime({ memoryReservation: 2 ** 18, memoryGuardSize: 2 ** 16 })
  runtime
    .newHostModuleBuilder('m')
    .newFunctionBuilder()
    .withModuleFunc(async (guest, n) => n + guest.memory.pages, ['i32'], ['i32'])
    .export('settled')
    .newFunctionBuilder()
    .withModuleFunc((guest) => new Promise(() => guest), [], [])
    .export('never')
    .instantiate()
  const compiled = runtime.compileModuleSync(GUEST)
  const make = () => runtime.instantiateAsync(compiled, { name: '' })
  const end = () => {
    runtime.close()
    return runtime.stats()
  }
  return { runtime, make, end }
}

async function expect(actual, wanted) {
  if ((await actual) !== wanted) throw new Error(`expected ${wanted}, got ${await actual}`)
}

export const asyncVariants = {
  /** An instance, a call that waits, and a close. */
  asyncClose() {
    const { runtime, make } = open()
    const round = async (n) => {
      const guest = await make()
      await expect(guest.exports.run.async(n), n + 1)
      guest.close()
    }
    return { strict: true, yields: 100, round, stats: () => ({ ...runtime.stats(), modules: 0, hostFunctions: 0 }) }
  },
  /** Instances that are closed in the middle of a call. */
  asyncCloseParked() {
    const { make, end } = open()
    const round = async () => {
      const guest = await make()
      const call = guest.exports.never.async().catch(ignore)
      guest.close()
      await call
    }
    return { yields: 100, round, stats: end }
  },
  /** Instances that are lost in the middle of a call, which nothing can end. */
  asyncDropParked() {
    const { runtime, make } = open()
    const round = async () => {
      const guest = await make()
      guest.exports.never.async().catch(ignore)
    }
    return { yields: 100, round, stats: () => ({ ...runtime.stats(), modules: 0, hostFunctions: 0 }) }
  },
  /** Instances that are closed while they compute on another thread; few, since each takes milliseconds. */
  asyncCloseAway() {
    const { make, end } = open()
    const round = async () => {
      const guest = await make()
      const call = guest.exports.forever.async().catch(ignore)
      await new Promise((resolve) => setTimeout(resolve, 3))
      guest.close()
      await call
    }
    return { per: 50, yields: 10, round, stats: end }
  },
  /** Ten calls of one instance in each round, some of them stopped. */
  asyncCalls() {
    const { make, end } = open()
    let guest
    const round = async (n) => {
      guest ??= await make()
      const controller = new AbortController()
      const stopped = guest.exportedFunction('never').callAsyncWith({ signal: controller.signal }).catch(ignore)
      const calls = Array.from({ length: 9 }, (_, i) => expect(guest.exports.run.async(n + i), n + i + 1))
      controller.abort()
      await Promise.all([stopped, ...calls])
    }
    return { per: 2, yields: 100, round, stats: end }
  },
}
