// Host functions that return promises: many guests wait at once, calls nest, and each sees the context of its caller.
import { AsyncLocalStorage } from 'node:async_hooks'

import { assert, pass, sleep, wasmtime } from './check.mjs'

const GUESTS = 300
const { Runtime } = wasmtime
const runtime = new Runtime()
const storage = new AsyncLocalStorage()
const all = { waiting: 0 }
all.are = new Promise((resolve) => (all.resolve = resolve))
runtime
  .newHostModuleBuilder('host')
  .newFunctionBuilder()
  .withFunc(
    async (n) => {
      all.waiting += 1
      if (all.waiting === GUESTS) all.resolve()
      await all.are
      return n + storage.getStore()
    },
    ['i32'],
    ['i32'],
  )
  .export('wait')
  .newFunctionBuilder()
  .withModuleFunc(async (guest, n) => (n === 0 ? 0 : 1 + (await guest.exports.nest.async(n - 1))), ['i32'], ['i32'])
  .export('nest')
  .newFunctionBuilder()
  .withFunc(
    async () => {
      await sleep(1)
      throw new RangeError('rejected')
    },
    [],
    [],
  )
  .export('reject')
  .instantiate()
const compiled = runtime.compileModuleSync(`(module
  (import "host" "wait" (func $wait (param i32) (result i32)))
  (import "host" "nest" (func $nest (param i32) (result i32)))
  (import "host" "reject" (func $reject))
  (func (export "wait") (param i32) (result i32) (call $wait (local.get 0)))
  (func (export "nest") (param i32) (result i32) (call $nest (local.get 0)))
  (func (export "reject") (call $reject)))`)

// A timer, since guests that wait for a promise keep no program alive.
const timer = setTimeout(() => {}, 30_000)
const guests = await Promise.all(Array.from({ length: GUESTS }, () => runtime.instantiateAsync(compiled, { name: '' })))
const calls = guests.map((guest, index) => storage.run(1000, () => guest.exports.wait.async(index)))
assert.deepEqual(
  await Promise.all(calls),
  guests.map((_, index) => index + 1000),
)
clearTimeout(timer)

const [guest] = guests
assert.equal(await guest.exports.nest.async(20), 20)
await assert.rejects(guest.exports.reject.async(), { name: 'RangeError', message: 'rejected' })
const order = []
const one = async (n) => order.push(await guest.exports.wait.async(n))
await Promise.all([1, 2, 3].map((n) => storage.run(n, one, n)))
assert.deepEqual(order, [2, 4, 6])
runtime.close()
pass()
