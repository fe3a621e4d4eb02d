// What an operator wants to see of guests: their calls, where they spend their time, and what was in memory when one trapped.
import { mkdtemp, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Runtime, TrapError, newLoggingListenerFactory } from '../index.mjs'

const runtime = new Runtime({
  functionListenerFactory: newLoggingListenerFactory((line) => process.stdout.write(line)),
  coredumpOnTrap: true,
})

runtime
  .newHostModuleBuilder('bank')
  .newFunctionBuilder()
  .withFunc((amount) => (amount > 100 ? 0 : 1), ['i32'], ['i32'])
  .withParameterNames('amount')
  .withResultNames('accepted')
  .export('charge')
  .instantiate()

/** @type {import('../index.mjs').ModuleInstance<{ pay(amount: number): void, checksum(rounds: number): number }>} */
const guest = runtime.instantiate(`
  (module $shop
    (import "bank" "charge" (func $charge (param i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "the state of the shop")
    (func $pay (export "pay") (param $amount i32)
      (if (i32.eqz (call $charge (local.get $amount))) (then unreachable)))
    (func $checksum (export "checksum") (param $rounds i32) (result i32)
      (local $sum i32)
      (loop $again
        (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (local.get $rounds)))
        (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
      (local.get $sum)))`)

const directory = await mkdtemp(join(tmpdir(), 'observe-'))

guest.exports.pay(5)
try {
  guest.exports.pay(500)
} catch (error) {
  if (!(error instanceof TrapError) || error.coredump === undefined) throw error
  const file = join(directory, 'shop.coredump')
  await writeFile(file, error.coredump)
  console.log(`core dump: ${(await stat(file)).size > 0 ? 'written' : 'empty'}`)
}

const profiler = guest.startProfiling({ name: 'shop' })
guest.exports.checksum(50_000_000)
const file = join(directory, 'shop.profile.json')
await writeFile(file, profiler.finish())
console.log(`profile: ${(await stat(file)).size > 0 ? 'written' : 'empty'}, for https://profiler.firefox.com`)
console.log(`both are in ${directory}`)

const { totals } = runtime.stats()
console.log(`calls: ${totals.calls}, of host functions: ${totals.hostCalls}, traps: ${totals.traps}`)
runtime.close()
