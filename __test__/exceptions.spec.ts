import test, { type ExecutionContext } from 'ava'

import {
  ArgumentError,
  Engine,
  Linker,
  Module,
  Runtime,
  Store,
  StructRef,
  Tag,
  TrapError,
  WasmException,
  WasmtimeError,
  wasmFramesOf,
} from '../index.mjs'
import { LIMIT } from './support/async.ts'

const modes = ['sync', 'async'] as const
type Mode = (typeof modes)[number]

const text = `(module $guest
  (type $p (struct (field i32)))
  (import "h" "tag" (tag $t (param i32 externref)))
  (import "h" "f" (func $f (param exnref)))
  (tag $own (export "own") (param i64 anyref f32))
  (tag $plain (export "plain"))
  (export "again" (tag $t))
  (func $throw (export "throw") (param i32 externref) (throw $t (local.get 0) (local.get 1)))
  (func (export "throw own") (param i64) (throw $own (local.get 0) (struct.new $p (i32.const 3)) (f32.const 0.5)))
  (func (export "throw plain") (throw $plain))
  (func (export "catch") (param exnref) (result i32 externref)
    (block $caught (result i32 externref)
      (try_table (catch $t $caught) (call $f (local.get 0)))
      (return (i32.const -1) (ref.null extern))))
  (func (export "catch own") (result i64)
    (block $caught (result i64 anyref f32)
      (try_table (catch $own $caught) (call $f (ref.null exn)))
      (return (i64.const -1)))
    (drop) (drop))
  (func (export "catch all") (result i32)
    (block $caught (try_table (catch_all $caught) (call $f (ref.null exn))) (return (i32.const 0)))
    (i32.const 1))
  (func (export "catch ref") (result exnref)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (call $f (ref.null exn)))
      (return (ref.null exn))))
  (func (export "pass") (param exnref) (result exnref) (local.get 0))
  (func (export "rethrow") (param exnref) (throw_ref (local.get 0)))
  (func (export "through") (param exnref) (call $f (local.get 0)))
  (func (export "nest") (param exnref) (result exnref)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (throw $wrap (local.get 0)))
      (unreachable)))
  (tag $wrap (export "wrap") (param exnref))
  (func (export "trap") unreachable)
  (func (export "fine") (result i32) (i32.const 9)))`

async function open(t: ExecutionContext, mode: Mode) {
  t.timeout(LIMIT)
  const engine = new Engine()
  const store = new Store(engine, { mode })
  t.teardown(() => store.close())
  const tag = new Tag(store, { params: ['i32', 'externref'] })
  const host: { f: (exception: unknown) => any } = { f: () => undefined }
  const linker = new Linker(engine)
  linker.define('h', 'tag', tag).func('h', 'f', { params: ['exnref'], results: [] }, (exception) => host.f(exception))
  const module = Module.compileSync(engine, text)
  const instance = mode === 'sync' ? linker.instantiate(store, module) : await linker.instantiateAsync(store, module)
  const { exports } = instance
  const call = async (name: string, ...args: unknown[]): Promise<any> =>
    mode === 'sync' ? exports[name](...args) : await exports[name].async(...args)
  const thrown = async (name: string, ...args: unknown[]): Promise<any> => {
    try {
      await call(name, ...args)
    } catch (error) {
      return error
    }
    throw new Error('it did not throw')
  }
  return { engine, store, tag, host, linker, module, instance, exports, call, thrown }
}

for (const mode of modes) {
  test(`a guest's exception that nobody catches is a WasmException with payload and frames (${mode})`, async (t) => {
    const { tag, thrown, call, exports } = await open(t, mode)
    const object = { some: 'thing' }
    const error = await thrown('throw', 5, object)
    t.true(error instanceof WasmException)
    t.true(error instanceof WasmtimeError)
    t.true(error instanceof Error)
    t.is(error.code, 'EXCEPTION')
    t.is(error.name, 'WasmException')
    t.is(error.tag, tag)
    t.true(error.is(tag))
    t.false(error.is(exports['own']))
    t.is(error.payload.length, 2)
    t.is(error.payload[0], 5)
    t.is(error.payload[1], object)
    t.true(Object.isFrozen(error.payload))
    t.is(error.getArg(tag, 1), object)
    t.is(error.frames.length, 1)
    t.is(error.frames[0].functionName, 'throw')
    t.is(error.frames[0].moduleName, 'guest')
    t.deepEqual(wasmFramesOf(error), error.frames)

    const own = await thrown('throw own', -7n)
    t.is(own.tag, exports['own'])
    t.is(own.payload[0], -7n)
    t.true(own.payload[1] instanceof StructRef)
    t.is(own.payload[1].get(0), 3)
    t.is(own.payload[2], 0.5)
    t.deepEqual((await thrown('throw plain')).payload, [])
    // Each throw makes another exception, and none stays in the store.
    t.not(await thrown('throw', 5, object), error)
    t.is(await call('fine'), 9)
    t.true((await thrown('trap')) instanceof TrapError)
  })

  test(`what a host function throws as a WasmException the guest's catch catches (${mode})`, async (t) => {
    const { tag, host, call, exports, thrown } = await open(t, mode)
    const object = Symbol('any value')
    for (const how of ['at once', 'in a promise', 'later']) {
      if (how !== 'at once' && mode === 'sync') continue
      const raise = (make: () => unknown) => {
        host.f = () => {
          if (how === 'at once') throw make()
          return how === 'later'
            ? new Promise((_, reject) => setImmediate(() => reject(make() as Error)))
            : Promise.reject(make() as Error)
        }
      }
      raise(() => new WasmException(tag, [2 ** 32 + 6, object]))
      t.deepEqual(await call('catch', null), [6, object], how)
      t.is(await call('catch all'), 1, how)
      raise(() => new WasmException(exports['own'], [9n, 'x', 1.5]))
      t.is(await call('catch own'), 9n, how)
      // Of another kind: it passes.
      const error = await thrown('catch', null)
      t.true(error.is(exports['own']))
      t.deepEqual(error.payload, [9n, 'x', 1.5])
      // What is no WasmException the guest cannot catch.
      for (const other of [new Error('plain'), undefined, { tag }, 5]) {
        raise(() => other)
        t.is(await thrown('catch all'), other, how)
      }
      raise(() => new TypeError('fine'))
      t.true((await thrown('catch ref')) instanceof TypeError)
      t.is(await call('fine'), 9)
    }
  })

  test(`an exception keeps its identity through both worlds (${mode})`, async (t) => {
    const { tag, host, call, thrown } = await open(t, mode)
    const mine = new WasmException(tag, [1, 'x'])
    t.is(await call('pass', mine), mine)
    t.is(await thrown('rethrow', mine), mine)
    t.is(mine.frames.length, 1)
    // It passes through a host function's JavaScript, which throws it on.
    host.f = (exception) => {
      t.is(exception, mine)
      throw exception
    }
    t.is(await thrown('through', mine), mine)
    t.is(mine.frames.length, 2)
    host.f = () => {
      throw mine
    }
    t.is(await call('catch ref'), mine)
    // One of the guest that the host catches and throws on.
    const theirs = await thrown('throw', 3, 'y')
    host.f = () => {
      throw theirs
    }
    t.is(await call('catch ref'), theirs)
    t.deepEqual(await call('catch', null), [3, 'y'])
    t.is(await thrown('through', null), theirs)
    t.is(await call('pass', theirs), theirs)
    t.is(await call('pass', null), null)
  })

  test(`exceptions pass through calls that are nested in each other (${mode})`, async (t) => {
    const { tag, host, call, thrown, exports } = await open(t, mode)
    let depth = 0
    host.f = () => {
      if (++depth === 5) throw new WasmException(tag, [depth, null])
      exports['through'](null)
    }
    t.deepEqual(await call('catch', null), [5, null])
    depth = 0
    const error = await thrown('through', null)
    t.deepEqual(error.payload, [5, null])
    // The innermost call's exception is the outermost's.
    t.is(error.frames.length, 5)
  })

  test(`exceptions can carry exceptions, to any depth (${mode})`, async (t) => {
    const { tag, call, exports, thrown } = await open(t, mode)
    const inner = new WasmException(tag, [1, 'core'])
    let outer: any = inner
    for (let depth = 0; depth < 20_000; depth++) outer = exports['nest'](outer)
    const error = await thrown('rethrow', outer)
    t.is(error, outer)
    t.true(outer.is(exports['wrap']))
    let depth = 0
    let at = await call('pass', outer)
    while (at.is(exports['wrap'])) {
      at = at.payload[0]
      depth++
    }
    t.is(at, inner)
    t.is(depth, 20_000)
  })

  test(`a payload and a tag can be compared after the store's end (${mode})`, async (t) => {
    const { store, tag, thrown, host, exports } = await open(t, mode)
    const error = await thrown('throw', 5, 'x')
    const made = new WasmException(tag, [7, 'y'])
    if (mode === 'sync') {
      host.f = () => {
        store.close()
        throw new WasmException(tag, [7, 'y'])
      }
      t.throws(() => exports['through'](null), { code: 'CLOSED' })
    }
    store.close()
    t.deepEqual(error.payload, [5, 'x'])
    t.deepEqual(made.payload, [7, 'y'])
    t.true(error.is(tag))
    t.throws(() => new WasmException(tag, [1, null]), { code: 'CLOSED' })
    t.throws(() => tag.type, { code: 'CLOSED' })
  })
}

test('an exception that is thrown after the store was closed inside has its payload', async (t) => {
  const { store, host, tag, exports } = await open(t, 'sync')
  const mine = new WasmException(tag, [7, 'y'])
  host.f = () => {
    store.close()
    throw mine
  }
  t.is(t.throws(() => exports['through'](null)) as unknown, mine)
  const second = await open(t, 'sync')
  second.host.f = () => second.store.close()
  const module = Module.compileSync(
    second.engine,
    `(module (import "h" "f" (func $f (param exnref))) (tag $t (export "t") (param i32 anyref))
      (func (export "run") (call $f (ref.null exn)) (throw $t (i32.const 4) (ref.i31 (i32.const 5)))))`,
  )
  const instance = second.linker.instantiate(second.store, module)
  const error: any = t.throws(() => instance.exports['run'](), { instanceOf: WasmException })
  t.deepEqual(error.payload, [4, 5])
  t.is(error.frames.length, 1)
})

test('an exception of another store is a value like any other to the guest', async (t) => {
  const first = await open(t, 'sync')
  const second = await open(t, 'sync')
  const foreign = new WasmException(first.tag, [1, null])
  t.throws(() => second.exports['pass'](foreign), { instanceOf: ArgumentError, message: /another store/ })
  second.host.f = () => {
    throw foreign
  }
  t.is(t.throws(() => second.exports['catch all']()) as unknown, foreign)
  // Guests of two stores, one inside the other.
  second.host.f = () => first.exports['throw'](8, 'x')
  const error: any = t.throws(() => second.exports['catch all'](), { instanceOf: WasmException })
  t.true(error.is(first.tag))
  t.is(second.exports['fine'](), 9)
})

test('start functions throw exceptions, too', async (t) => {
  for (const mode of modes) {
    const { linker, engine, store, host, tag } = await open(t, mode)
    const module = Module.compileSync(
      engine,
      '(module (import "h" "f" (func $f (param exnref))) (start $s) (func $s (call $f (ref.null exn))))',
    )
    host.f = () => {
      throw new WasmException(tag, [1, null])
    }
    await t.throwsAsync(
      async () => (mode === 'sync' ? linker.instantiate(store, module) : await linker.instantiateAsync(store, module)),
      { instanceOf: WasmException },
    )
  }
})

test('a WasmException is made of a tag and values of its types', async (t) => {
  const { tag, store, exports } = await open(t, 'sync')
  const wrong: readonly (readonly [payload: unknown, message: RegExp])[] = [
    [[], /payload: expected 2 values, got 0/],
    [[1, 2, 3], /payload: expected 2 values, got 3/],
    [['1', null], /payload\[0\]: expected a number \(i32\), got a string/],
    [5, /payload must be an array of values, but got the number 5/],
    [null, /payload must be an array/],
  ]
  for (const [payload, message] of wrong) {
    t.throws(() => new WasmException(tag, payload as never), { instanceOf: ArgumentError, message })
  }
  const typed = new Tag(store, { params: ['structref', '(ref func)'] })
  t.throws(() => new WasmException(typed, ['x', exports['fine']] as never), { message: /payload\[0\].*StructRef/ })
  t.throws(() => new WasmException(typed, [null, null] as never), { message: /payload\[1\]/ })
  t.is(new WasmException<any>(typed, [null, exports['fine']]).payload[1].call(), 9)
  for (const bad of [undefined, null, {}, 'tag', store]) {
    t.throws(() => new WasmException(bad as never), { instanceOf: ArgumentError, message: /tag must be a Tag/ })
    t.throws(() => new WasmException(new Tag(store)).is(bad as never), { message: /tag must be a Tag/ })
  }
  const cause = new Error('why')
  const exception = new WasmException(tag, [1, 'x'], { cause })
  t.is(exception.cause, cause)
  t.throws(() => exception.getArg(new Tag(store), 0), { instanceOf: ArgumentError, message: /another kind/ })
  for (const index of [2, -1, 0.5]) t.throws(() => exception.getArg(tag, index), { code: 'OUT_OF_RANGE' })
  t.throws(() => exception.getArg(tag, '0' as never), { instanceOf: ArgumentError })
  t.deepEqual(exception.frames, [])
})

test('tags have types, and are the same object wherever they come from', async (t) => {
  const { tag, instance, exports, linker, store, engine } = await open(t, 'sync')
  t.deepEqual(tag.type, { params: ['i32', 'externref'] })
  t.is(exports['again'], tag)
  t.is(instance.getTag('again'), tag)
  t.is(instance.getTag('own'), exports['own'])
  t.is(instance.getTag('fine'), undefined)
  t.deepEqual(instance.getTag('own')!.type, { params: ['i64', 'anyref', 'f32'] })
  t.is(linker.get(store, 'h', 'tag'), tag)
  t.throws(() => new Tag(store, { params: ['i31'] as never }), { message: /type\.params\[0\] must be/ })
  t.throws(() => new Tag(store, { parameters: [] } as never), { message: /parameters is not an option/ })
  t.throws(() => new Tag({} as never), { instanceOf: ArgumentError })
  const importing = Module.compileSync(engine, '(module (import "h" "tag" (tag (param i64))))')
  const error: any = t.throws(() => linker.instantiate(store, importing), { code: 'LINK_ERROR' })
  t.is(error.problems[0].reason, 'mismatch')
  t.is(error.problems[0].expected, 'tag (i64)')
  t.is(error.problems[0].actual, 'tag (i32,externref)')
  const unknown = new Linker(engine).defineUnknownImportsAsDefaultValues()
  t.notThrows(() => unknown.instantiate(store, importing))
})

test('a host module exports tags, and guests export their own', async (t) => {
  for (const mode of modes) {
    t.timeout(LIMIT)
    const runtime = new Runtime()
    t.teardown(() => runtime.close())
    const builder = runtime.newHostModuleBuilder('env').exportTag('failed', ['i32']).exportTag('plain')
      .newFunctionBuilder().withFunc((code) => { throw new WasmException(host.exportedTag('failed')!, [code]) }, ['i32'], [])
      .export('fail') // prettier-ignore
    const host = mode === 'sync' ? builder.instantiate() : await builder.instantiateAsync()
    t.deepEqual(host.exportedTag('failed')!.type, { params: ['i32'] })
    t.deepEqual(host.exportedTag('plain')!.type, { params: [] })
    t.is(host.exportedTag('fail'), undefined)
    const guestText = `(module $guest (import "env" "failed" (tag $t (param i32))) (import "env" "fail" (func $fail (param i32)))
      (tag (export "own") (param f64))
      (func (export "run") (param i32) (result i32)
        (block $caught (result i32) (try_table (catch $t $caught) (call $fail (local.get 0))) (i32.const -1))))`
    const guest = mode === 'sync' ? runtime.instantiate(guestText) : await runtime.instantiateAsync(guestText)
    t.is(mode === 'sync' ? guest.exports['run'](5) : await guest.exports['run'].async(5), 5)
    t.deepEqual(guest.exportedTag('own')!.type, { params: ['f64'] })
    t.is(guest.exportedTag('run'), undefined)
  }
})

test('engines without exceptions refuse tags, and make no exceptions', (t) => {
  const store = new Store(new Engine({ exceptions: false }))
  t.teardown(() => store.close())
  try {
    const tag = new Tag(store, { params: ['i32'] })
    t.deepEqual(new WasmException(tag, [1]).payload, [1])
  } catch (error) {
    t.true(error instanceof Error)
  }
  t.throws(() => Module.compileSync(new Engine({ exceptions: false }), '(module (tag))'), { code: 'COMPILE_ERROR' })
})
