import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import test from 'ava'

import { root, runForJson } from './run-node.js'

// The shell's limits are those of POSIX, and V8 itself needs more than this under sanitizers.
const limited = process.platform === 'linux' ? test : test.skip

limited('1,000 small instances live under 16 GiB of address space, with the documented setting', async (t) => {
  t.timeout(120_000)
  const script = `const { Runtime } = require(${JSON.stringify(`${root}index.js`)})
    const options = process.argv[1] === 'small' ? { memoryReservation: 2 ** 20, memoryGuardSize: 2 ** 16 } : {}
    const runtime = new Runtime(options)
    const module = runtime.compileModuleSync(
      '(module (memory (export "memory") 1 64) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))')
    const guests = []
    let error
    try {
      while (guests.length < 1000) guests.push(runtime.instantiate(module, { name: '' }))
    } catch (caught) {
      error = caught.name
    }
    const grown = guests.filter((guest) => guest.exports.grow(2) === 1 && guest.memory.writeByte(3 * 65536 - 1, 7)).length
    console.log(JSON.stringify({ made: guests.length, grown, error }))`
  const run = async (setting: string): Promise<any> => {
    const command = 'ulimit -v 16777216 && exec "$0" -e "$1" -- "$2"'
    const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, script, setting], {
      timeout: 110_000,
    })
    return JSON.parse(stdout)
  }
  t.deepEqual(await run('small'), { made: 1000, grown: 1000 })
  // So the limit is one: without the setting there is an error, not a crash.
  const { made, error } = await run('default')
  t.true(made < 1000)
  t.is(error, 'LimitError')
})

test('a deadline and an interruption keep no process alive, and exit does not wait for them', async (t) => {
  const result = await runForJson<string>(
    t,
    `const runtime = new wasmtime.Runtime()
    const guest = runtime.instantiate('(module (func (export "loop") (loop br 0)) (func (export "f")))')
    guest.exportedFunction('f').callWith({ timeoutMs: 2 ** 31 - 1 })
    runtime.interrupt()
    let name
    try {
      guest.exportedFunction('loop').callWith({ timeoutMs: 20 })
    } catch (error) {
      name = error.name
    }
    console.log(JSON.stringify(name))`,
    { timeoutMs: 60_000 },
  )
  t.is(result, 'InterruptedError')
})

test('1,000 interrupted endless loops, with collection in between, leave no memory behind', async (t) => {
  const { growth, count } = await runForJson<{ growth: number; count: number }>(
    t,
    `const runtime = new wasmtime.Runtime({ fuel: true })
    const module = runtime.compileModuleSync('(module (memory 1) (func (export "loop") (loop br 0)))')
    let count = 0
    const round = () => {
      const guest = runtime.instantiate(module, { name: '', limits: { memoryBytes: 65536 } })
      const options = count % 2 === 0 ? { timeoutMs: 1 } : { fuel: 10000n }
      try {
        guest.exportedFunction('loop').callWith(options)
      } catch {
        count++
      }
      guest.close()
      if (count % 50 === 0) global.gc()
    }
    for (let i = 0; i < 200; i++) round()
    const before = process.memoryUsage().rss
    for (let i = 0; i < 1000; i++) round()
    console.log(JSON.stringify({ growth: process.memoryUsage().rss - before, count }))`,
    { flags: ['--expose-gc'] },
  )
  t.is(count, 1200)
  t.true(growth < 16 * 2 ** 20, `${growth} bytes`)
})
