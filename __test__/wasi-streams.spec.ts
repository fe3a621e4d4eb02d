import { setTimeout as delay } from 'node:timers/promises'
import { PassThrough, Readable, Writable } from 'node:stream'

import test from 'ava'

import { Engine, ExitError, InterruptedError, Store, WasmtimeError } from '../index.mjs'
import { never, openRuntime, until } from './support/async.ts'
import { big, cat, guest, hello } from './support/wasi-guests.ts'

/** A stream that takes what is written to it after a turn of the event loop, a piece at a time. */
function slow(highWaterMark = 1): { stream: Writable; text: () => string; most: () => number } {
  let text = ''
  let most = 0
  const stream = new Writable({
    highWaterMark,
    write(chunk: Buffer, _encoding, callback) {
      most = Math.max(most, stream.writableLength)
      setImmediate(() => {
        text += chunk.toString()
        callback()
      })
    },
  })
  return { stream, text: () => text, most: () => most }
}

test('a callback gets what is written, in its order, before the guest goes on', async (t) => {
  const runtime = openRuntime(t)
  const events: string[] = []
  runtime
    .newHostModuleBuilder('env')
    .newFunctionBuilder()
    .withFunc(() => void events.push('call'), [], [])
    .export('call')
    .instantiate()
  const source = guest(
    `(data (i32.const 1024) "out") (data (i32.const 1040) "err")
     (func (export "_start")
       (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 3)))
       (call $call)
       (drop (call $write (i32.const 2) (i32.const 1040) (i32.const 3)))
       (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 3)))
       (call $call))`,
    '(import "env" "call" (func $call))',
  )
  const wasi = {
    stdout: (chunk: Buffer) => void events.push(`stdout ${chunk}`),
    stderr: (chunk: Buffer) => void events.push(`stderr ${chunk}`),
  }
  const expected = ['stdout out', 'call', 'stderr err', 'stdout out', 'call']
  const result = runtime.runCommandSync(source, { wasi })
  t.is(result.stdout.length, 0)
  t.deepEqual(events.splice(0), expected)
  await runtime.runCommand(source, { wasi })
  t.deepEqual(events, expected)
})

test('what a callback throws, any value, ends the program and comes out', async (t) => {
  const runtime = openRuntime(t)
  for (const reason of [new Error('no'), 'text', undefined, Symbol('odd')]) {
    const stdout = () => {
      throw reason
    }
    const caught = (error: unknown) => ({ error })
    t.deepEqual(await runtime.runCommand(hello, { wasi: { stdout } }).catch(caught), { error: reason } as never)
    let thrown: unknown = 'nothing'
    try {
      runtime.runCommandSync(hello, { wasi: { stdout } })
    } catch (error) {
      thrown = error
    }
    t.is(thrown, reason)
    const stderr = () => Promise.reject(reason)
    t.deepEqual(await runtime.runCommand(hello, { wasi: { stderr } }).catch(caught), { error: reason } as never)
  }
  t.is(runtime.stats().stores, 0)
})

test('in async mode the guest waits for the promise of a callback; in sync mode that is an error', async (t) => {
  const runtime = openRuntime(t)
  const events: string[] = []
  const stdout = async (chunk: Buffer) => {
    events.push(`begin ${chunk}`)
    await delay(1)
    events.push('end')
  }
  const { exitCode } = await runtime.runCommand(hello, { wasi: { stdout, stderr: () => void events.push('stderr') } })
  t.is(exitCode, 3)
  t.deepEqual(events, ['begin hello\n', 'end', 'stderr'])
  t.throws(() => runtime.runCommandSync(hello, { wasi: { stdout } }), {
    instanceOf: TypeError,
    message: /promise, which a synchronous call cannot wait for/,
  })
})

test('a callback may call its own instance, and use its memory', async (t) => {
  const runtime = openRuntime(t)
  const source = guest(`(data (i32.const 1024) "data")
    (func (export "run") (result i32) (call $write (i32.const 1) (i32.const 1024) (i32.const 4)))
    (func (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))`)
  const seen: unknown[] = []
  const stdout = () => {
    const [instance] = instances
    seen.push(instance.memory?.readString(1024, 4), instance.exports['twice'](21))
  }
  const instances: any[] = [runtime.instantiate(source, { wasi: { stdout } })]
  t.is(instances[0].exports['run'](), 0)
  instances[0] = await runtime.instantiateAsync(source, { wasi: { stdout } })
  t.is(await instances[0].exports['run'].async(), 0)
  t.is(instances[0].exports['run'](), 0)
  t.deepEqual(seen, ['data', 42, 'data', 42, 'data', 42])
})

test('a stream gets everything, and a guest waits for one that is full', async (t) => {
  const runtime = openRuntime(t)
  const { stream, text, most } = slow()
  const { exitCode } = await runtime.runCommand(big, { wasi: { stdout: stream } })
  t.is(exitCode, 0)
  t.is(text().length, 2 ** 20 + 1)
  t.true(most() <= 2 * 65_536, 'not more than the guest writes at once')
  t.false(stream.writableEnded, 'it is its owner’s to end')
  t.is(stream.listenerCount('error') + stream.listenerCount('drain'), 0)

  const sync = slow()
  runtime.runCommandSync(big, { wasi: { stdout: sync.stream } })
  t.is(sync.text().length, 0)
  await new Promise<void>((resolve) => sync.stream.end(resolve))
  t.is(sync.text().length, 2 ** 20 + 1)
})

test('streams of the web are taken as well', async (t) => {
  const runtime = openRuntime(t)
  let text = ''
  const stdout = new WritableStream({
    async write(chunk: Uint8Array) {
      await delay(0)
      text += Buffer.from(chunk).toString()
    },
  })
  const stdin = new Blob(['x'.repeat(200_000)]).stream()
  const { exitCode } = await runtime.runCommand(cat, { wasi: { stdin, stdout } })
  t.is(exitCode, 0)
  t.is(text, 'x'.repeat(200_000))
  t.false(stdout.locked)
})

test('a stream that errs, or is closed, rejects with its own error', async (t) => {
  const runtime = openRuntime(t)
  const failing = () =>
    new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, callback) => void setImmediate(() => callback(new Error('disk full'))),
    })
  await t.throwsAsync(runtime.runCommand(big, { wasi: { stdout: failing() } }), { message: 'disk full' })
  // The only piece: the guest has ended when the stream fails.
  await t.throwsAsync(runtime.runCommand(hello, { wasi: { stdout: failing() } }), { message: 'disk full' })
  const destroyed = new PassThrough()
  destroyed.destroy()
  await t.throwsAsync(runtime.runCommand(hello, { wasi: { stdout: destroyed } }), { instanceOf: WasmtimeError })
  const ended = new PassThrough()
  ended.end()
  t.throws(() => runtime.runCommandSync(hello, { wasi: { stdout: ended } }), { instanceOf: WasmtimeError })
  const web = new WritableStream({ write: () => Promise.reject(new Error('gone')) })
  await t.throwsAsync(runtime.runCommand(big, { wasi: { stdout: web } }), { message: 'gone' })
  t.is(runtime.stats().stores, 0)
})

test('a guest that waits for a stream that never drains can be stopped', async (t) => {
  const runtime = openRuntime(t)
  const stuck = () => new Writable({ highWaterMark: 1, write: () => {} })
  await t.throwsAsync(runtime.runCommand(big, { wasi: { stdout: stuck() }, timeoutMs: 20 }), {
    instanceOf: InterruptedError,
  })
  // The guest has ended, and its output has not.
  await t.throwsAsync(runtime.runCommand(hello, { wasi: { stdout: stuck() }, timeoutMs: 20 }), {
    instanceOf: InterruptedError,
  })
  const controller = new AbortController()
  const run = runtime.runCommand(big, { wasi: { stdout: stuck() }, signal: controller.signal })
  setImmediate(() => controller.abort('enough'))
  t.is(await run.catch((error: unknown) => error), 'enough' as never)
  t.is(runtime.stats().stores, 0)
})

test('a guest reads a stream piece by piece, as fast as it can', async (t) => {
  const runtime = openRuntime(t)
  let given = 0
  let taken = 0
  const pieces = (async function* () {
    for (let n = 0; n < 200; n++) {
      given += 65_536
      t.true(given - taken <= 4 * 65_536, 'not read ahead')
      yield n % 2 === 0 ? 'y'.repeat(65_536) : Buffer.alloc(65_536, 'y')
      if (n % 20 === 0) await delay(0)
    }
  })()
  await runtime.runCommand(cat, { wasi: { stdin: pieces, stdout: (chunk: Buffer) => void (taken += chunk.length) } })
  t.is(given, 200 * 65_536)
  t.is(taken, given)
})

test('the event loop goes on while a guest waits for input, and it can be stopped there', async (t) => {
  const runtime = openRuntime(t)
  const stdin = new PassThrough()
  const run = runtime.runCommand(cat, { wasi: { stdin } })
  await until(() => runtime.stats().tasks.parked === 1)
  stdin.write('one ')
  await until(() => stdin.readableLength === 0)
  stdin.end('two')
  t.is((await run).stdout.toString(), 'one two')

  const silent = new PassThrough()
  await t.throwsAsync(runtime.runCommand(cat, { wasi: { stdin: silent }, timeoutMs: 20 }), {
    instanceOf: InterruptedError,
  })
  const controller = new AbortController()
  const aborted = runtime.runCommand(cat, { wasi: { stdin: new PassThrough() }, signal: controller.signal })
  await until(() => runtime.stats().tasks.parked === 1)
  controller.abort(new Error('stop'))
  await t.throwsAsync(aborted, { message: 'stop' })
  t.is(runtime.stats().stores, 0)
})

test('an input that errs rejects with its own error; wrong pieces are refused', async (t) => {
  const runtime = openRuntime(t)
  const failing = new Readable({
    read() {
      this.destroy(new Error('unplugged'))
    },
  })
  await t.throwsAsync(runtime.runCommand(cat, { wasi: { stdin: failing } }), { message: 'unplugged' })
  const reason = { odd: true }
  const throwing = {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(reason) }),
  } as unknown as AsyncIterable<string>
  t.is(await runtime.runCommand(cat, { wasi: { stdin: throwing } }).catch((error: unknown) => error), reason as never)
  await t.throwsAsync(runtime.runCommand(cat, { wasi: { stdin: Readable.from([{ a: 1 }]) } }), {
    message: /must give strings or Uint8Arrays/,
  })
  const stuck = { [Symbol.asyncIterator]: () => ({ next: never }) } as unknown as AsyncIterable<string>
  await t.throwsAsync(runtime.runCommand(cat, { wasi: { stdin: stuck }, timeoutMs: 10 }), {
    instanceOf: InterruptedError,
  })
})

test('a guest that ends early leaves its input to the owner', async (t) => {
  const runtime = openRuntime(t)
  const stdin = new PassThrough()
  stdin.write('first')
  const once = guest(`(func (export "_start") (drop (call $read (i32.const 0) (i32.const 4096) (i32.const 100))))`)
  await runtime.runCommand(once, { wasi: { stdin } })
  t.false(stdin.destroyed)
  const unread = new PassThrough()
  await runtime.runCommand(hello, { wasi: { stdin: unread } })
  t.false(unread.destroyed)
})

test('a synchronous call in async mode cannot wait for a stream', async (t) => {
  const runtime = openRuntime(t)
  const stdin = new PassThrough()
  const source = guest(`(func (export "get") (result i32) (call $read (i32.const 0) (i32.const 4096) (i32.const 100)))`)
  const instance = await runtime.instantiateAsync(source, { wasi: { stdin } })
  t.throws(() => instance.exports['get'](), { instanceOf: TypeError, message: /callAsync/ })
  const read = instance.exports['get'].async()
  stdin.write('later')
  t.is(await read, 5)
  instance.close()
  await t.throwsAsync(() => instance.exports['get'].async(), { instanceOf: ExitError })
})

test('closing ends a guest that waits for input', async (t) => {
  const runtime = openRuntime(t)
  const source = guest(`(func (export "get") (result i32) (call $read (i32.const 0) (i32.const 4096) (i32.const 100)))`)
  const instance = await runtime.instantiateAsync(source, { wasi: { stdin: new PassThrough() } })
  const read = instance.exports['get'].async()
  const second = instance.exports['get'].async()
  await until(() => runtime.stats().tasks.parked === 1)
  instance.close(6)
  t.is((await t.throwsAsync(read, { instanceOf: ExitError }))?.exitCode, 6)
  t.is((await t.throwsAsync(second, { instanceOf: ExitError }))?.exitCode, 6)
  t.is(runtime.stats().stores, 0)
})

test('what cannot be made leaves the streams to their owner, and nothing alive', async (t) => {
  const runtime = openRuntime(t)
  const compiled = runtime.compileModuleSync('(module (func (export "f")))')
  const locked = new WritableStream()
  const writer = locked.getWriter()
  const engine = new Engine()
  const attempts: readonly ((stdout: WritableStream, node: Writable) => unknown)[] = [
    (stdout) => new Store(new Engine({ interruptible: false }), { mode: 'async', wasi: { stdout } }),
    (stdout) => new Store(engine, { mode: 'async', wasi: { stdout, stderr: locked } }),
    (stdout) => runtime.instantiateAsync(compiled, { name: '', fuel: 5n, wasi: { stdout } }),
    (_, node) => runtime.instantiateAsync(compiled, { name: '', fuel: 5n, wasi: { stdout: node } }),
  ]
  for (const [index, attempt] of attempts.entries()) {
    const [stdout, node] = [new WritableStream(), new Writable({ write: (_chunk, _encoding, done) => done() })]
    await t.throwsAsync(async () => await attempt(stdout, node), undefined, String(index))
    t.false(stdout.locked, String(index))
    t.is(node.listenerCount('error'), 0)
  }
  t.is(runtime.stats().stores, 0)
  t.is(engine.stats().stores, 0)
  writer.releaseLock()
})
