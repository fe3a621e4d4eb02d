import test from 'ava'

import { ArgumentError, Engine, Linker, Memory, Module, Runtime, SharedMemory, Store } from '../index.mjs'

const engine = new Engine({ sharedMemory: true })

const text = `(module
  (import "m" "memory" (memory $m 1 4 shared))
  (export "memory" (memory $m))
  (func (export "load") (param i32) (result i32) (i32.atomic.load (local.get 0)))
  (func (export "store") (param i32 i32) (i32.atomic.store (local.get 0) (local.get 1)))
  (func (export "add64") (param i32 i64) (result i64) (i64.atomic.rmw.add (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "notify") (param i32) (result i32) (memory.atomic.notify (local.get 0) (i32.const -1)))
  (func (export "wait") (param i32 i32 i64) (result i32) (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2))))`

function open(memory: SharedMemory) {
  const store = new Store(engine)
  const linker = new Linker(engine).define('m', 'memory', memory)
  const instance = linker.instantiate(store, Module.compileSync(engine, text))
  return { store, linker, instance, exports: instance.exports }
}

test('guests of several stores share one memory with the host', (t) => {
  const memory = new SharedMemory(engine, { minimum: 1, maximum: 4 })
  const [first, second] = [open(memory), open(memory)]
  first.exports['store'](8, -5)
  t.is(second.exports['load'](8), -5)
  t.is(memory.readInt32Le(8), -5)
  t.is(memory.atomicLoadInt32(8), -5)
  memory.writeInt32Le(12, 77)
  t.is(first.exports['load'](12), 77)
  t.is(first.exports['memory'], memory)
  t.is(second.instance.getSharedMemory('memory'), memory)
  t.is(first.instance.getMemory('memory'), undefined)
  t.is(first.linker.get(first.store, 'm', 'memory'), memory)
  t.is(first.exports['grow'](1), 1)
  t.is(memory.pages, 2)
  t.is(memory.size, 131072)
  t.is(memory.grow(2), 2)
  t.is(second.exports['grow'](0), 4)
  t.is(memory.grow(1), undefined)
  t.is(memory.grow(0), 4)
  t.deepEqual(memory.type, { minimum: 1, maximum: 4, is64: false, shared: true, pageSize: 65536 })
  first.store.close()
  t.is(memory.readInt32Le(8), -5)
  t.is(second.exports['load'](8), -5)
})

test('accessors are those of Memory, and give the same', (t) => {
  const shared = new SharedMemory(engine, { minimum: 1, maximum: 2 })
  const plain = new Memory(new Store(engine), { minimum: 1, maximum: 2 })
  const random = Uint8Array.from({ length: 64 }, (_, index) => (index * 89 + 17) & 255)
  const run = (memory: Memory | SharedMemory) => {
    const out: unknown[] = []
    for (const offset of [0, 1, 3, 65528, 65535, 65536, 2 ** 40]) {
      out.push(memory.write(offset, random.subarray(0, 9)))
      out.push(memory.readByte(offset), memory.readInt8(offset))
      out.push(memory.readUint16Le(offset), memory.readInt16Le(offset), memory.readUint32Le(offset))
      out.push(memory.readInt32Le(offset), memory.readUint64Le(offset), memory.readInt64Le(offset))
      out.push(memory.readFloat32Le(offset), memory.readFloat64Le(offset))
      out.push(memory.writeByte(offset, 300), memory.writeInt8(offset + 1, -1), memory.writeUint16Le(offset, 70000))
      out.push(
        memory.writeInt16Le(offset, -2),
        memory.writeUint32Le(offset, 2 ** 32 - 3),
        memory.writeInt32Le(offset, -4),
      )
      out.push(memory.writeUint64Le(offset, 2n ** 64n - 5n), memory.writeInt64Le(offset, -6n))
      out.push(memory.writeFloat32Le(offset, 0.1), memory.writeFloat64Le(offset + 4, 0.1), memory.read(offset, 12))
      out.push(memory.writeString(offset, 'grüße\0\ud800'), memory.readCString(offset), memory.readCString(offset, 3))
      out.push(memory.readString(offset, 7), memory.readString(offset, 3))
      const target = new Uint16Array(5)
      out.push(memory.readInto(offset, target), target)
    }
    for (const length of [0, 1, 7, 8, 9, 63, 64]) {
      for (const offset of [100, 101, 107]) {
        out.push(memory.write(offset, random.subarray(0, length)), memory.read(offset - 1, length + 2))
      }
    }
    return out
  }
  t.deepEqual(run(shared), run(plain))
  for (const memory of [shared, plain]) {
    t.throws(() => memory.readByte(-1), { code: 'OUT_OF_RANGE' })
    t.throws(() => memory.readByte('0' as never), { code: 'INVALID_ARGUMENT' })
    t.throws(() => memory.writeInt32Le(0, '1' as never), { message: /value: expected a number, got a string/ })
    t.throws(() => memory.writeInt64Le(0, 1 as never), { message: /value: expected a bigint/ })
    t.throws(() => memory.write(0, 'x' as never), { instanceOf: ArgumentError })
    t.throws(() => memory.writeString(0, 5 as never), { instanceOf: ArgumentError })
  }
})

test('atomic operations give the value before', (t) => {
  const memory = new SharedMemory(engine, { minimum: 1, maximum: 1 })
  t.true(memory.atomicStore(4, 10))
  t.is(memory.atomicAdd(4, 5), 10)
  t.is(memory.atomicSub(4, 20), 15)
  t.is(memory.atomicLoadInt32(4), -5)
  t.is(memory.atomicExchange(4, 0b1100), -5)
  t.is(memory.atomicAnd(4, 0b0110), 0b1100)
  t.is(memory.atomicOr(4, 0b0011), 0b0100)
  t.is(memory.atomicXor(4, 0b0001), 0b0111)
  t.is(memory.atomicCompareExchange(4, 5, 9), 0b0110)
  t.is(memory.atomicCompareExchange(4, 6, 9), 6)
  t.is(memory.atomicLoadInt32(4), 9)
  t.is(memory.atomicStore(4, 2 ** 31), true)
  t.is(memory.atomicLoadInt32(4), -(2 ** 31))
  t.true(memory.atomicStore(8, 2n ** 63n))
  t.is(memory.atomicAdd(8, 1n), -(2n ** 63n))
  t.is(memory.atomicCompareExchange(8, -(2n ** 63n) + 1n, 7n), -(2n ** 63n) + 1n)
  t.is(memory.atomicLoadInt64(8), 7n)
  t.is(open(memory).exports['add64'](8, 5n), 7n)
  t.is(memory.atomicLoadInt64(8), 12n)
  for (const offset of [1, 2, 6]) {
    t.throws(() => memory.atomicAdd(offset, 1), { code: 'OUT_OF_RANGE', message: /aligned/ })
  }
  t.throws(() => memory.atomicAdd(4, 1n), { code: 'OUT_OF_RANGE', message: /aligned/ })
  t.is(memory.atomicAdd(65536, 1), undefined)
  t.is(memory.atomicLoadInt64(65532), undefined)
  t.false(memory.atomicStore(65536, 1))
  t.throws(() => memory.atomicAdd(4, '1' as never), { instanceOf: ArgumentError })
  t.throws(() => memory.atomicCompareExchange(8, 1n, 2 as never), { message: /replacement: expected a bigint/ })
})

test('waiting ends at once if another value is there, and with the time', (t) => {
  const memory = new SharedMemory(engine, { minimum: 1, maximum: 1 })
  const { exports } = open(memory)
  t.is(memory.wait(0, 1), 'not-equal')
  t.is(memory.wait(0, 0, 1), 'timed-out')
  t.is(memory.wait(8, 1n), 'not-equal')
  t.is(memory.wait(8, 0n, 0), 'timed-out')
  t.is(memory.notify(0), 0)
  t.is(exports['notify'](0), 0)
  t.is(exports['wait'](0, 1, -1n), 1)
  t.is(exports['wait'](0, 0, 1000n), 2)
  t.throws(() => memory.wait(2, 0, 0), { code: 'OUT_OF_RANGE' })
  t.throws(() => memory.wait(65536, 0, 0), { code: 'OUT_OF_RANGE' })
  t.throws(() => memory.notify(65536), { code: 'OUT_OF_RANGE' })
  t.throws(() => memory.wait(0, 'x' as never, 0), { instanceOf: ArgumentError })
  t.throws(() => memory.wait(0, 0, 'x' as never), { instanceOf: ArgumentError })
})

test('a host module exports a shared memory, made for it or there already', async (t) => {
  const runtime = new Runtime({ sharedMemory: true })
  t.teardown(() => runtime.close())
  const mine = new SharedMemory(runtime, { minimum: 1, maximum: 3 })
  const host = runtime.newHostModuleBuilder('m').exportMemory('memory', mine).exportMemory('own', { min: 1, max: 2, shared: true }).instantiate() // prettier-ignore
  t.is(host.exportedSharedMemory('memory'), mine)
  t.is(host.exportedMemory('memory'), undefined)
  t.deepEqual(host.exportedSharedMemory('own')!.type.maximum, 2)
  // In guests of both modes, for it belongs to no store.
  const sync = runtime.instantiate(text, { name: '' })
  const later = await runtime.instantiateAsync(text, { name: '' })
  sync.exports['store'](0, 5)
  t.is(await later.exports['load'].async(0), 5)
  t.is(sync.exportedSharedMemory('memory'), mine)
  t.is(sync.exportedMemory('memory'), undefined)
  t.is(mine.readInt32Le(0), 5)
  const make = () => runtime.newHostModuleBuilder('bad')
  t.throws(() => make().exportMemory('x', { min: 1, shared: true }).compile(), { message: /needs a maximum/ })
  t.throws(
    () =>
      make()
        .exportMemory('x', { shared: 1 } as never)
        .compile(),
    { message: /shared must be a boolean/ },
  )
  t.throws(
    () =>
      make()
        .exportTable('x', { shared: true } as never)
        .compile(),
    { message: /shared is not an option/ },
  )
})

test('modules can define shared memories of their own', (t) => {
  const store = new Store(engine)
  const module = Module.compileSync(engine, '(module (memory (export "m") 1 2 shared) (func (export "f") (i32.store (i32.const 0) (i32.const 3))))') // prettier-ignore
  const { exports } = new Linker(engine).instantiate(store, module)
  t.true(exports['m'] instanceof SharedMemory)
  exports['f']()
  t.is(exports['m'].readByte(0), 3)
  store.close()
  t.is(exports['m'].readByte(0), 3)
})

test('an engine without the option refuses shared memories', (t) => {
  const plain = new Engine()
  t.throws(() => new SharedMemory(plain, { minimum: 1, maximum: 1 }), { code: 'LIMIT_EXCEEDED' })
  const module = Module.compileSync(plain, '(module (memory 1 2 shared))')
  t.throws(() => new Linker(plain).instantiate(new Store(plain), module), { code: 'LINK_ERROR' })
  const noThreads = new Engine({ threads: false })
  t.throws(() => Module.compileSync(noThreads, '(module (memory 1 2 shared))'), { code: 'COMPILE_ERROR' })
})

test('what does not fit is refused with a reason', (t) => {
  const wrong: readonly (readonly [limits: unknown, message: RegExp])[] = [
    [{ minimum: 1 }, /limits\.maximum must be given/],
    [{ minimum: 2, maximum: 1 }, /limits\.maximum must be an integer from 2/],
    [{ minimum: -1, maximum: 1 }, /limits\.minimum/],
    [{ minimum: 1, maximum: 65537 }, /limits\.maximum/],
    [{ minimum: 1, maximum: 1, is64: 1 }, /limits\.is64 must be a boolean/],
    [{ minimum: 1, maximum: 1, shared: true }, /limits\.shared is not an option/],
    [undefined, /limits\.maximum must be given/],
  ]
  for (const [limits, message] of wrong) {
    t.throws(() => new SharedMemory(engine, limits as never), { instanceOf: ArgumentError, message })
  }
  for (const bad of [undefined, null, {}, new Store(engine)]) {
    t.throws(() => new SharedMemory(bad as never, { minimum: 1, maximum: 1 }), { message: /engine must be an Engine/ })
  }
  const memory = new SharedMemory(new Engine({ sharedMemory: true }), { minimum: 1, maximum: 1 })
  t.throws(() => new Linker(engine).define('m', 'memory', memory), { message: /another engine/ })
  const small = new SharedMemory(engine, { minimum: 1, maximum: 5 })
  const error: any = t.throws(() => open(small), { code: 'LINK_ERROR' })
  t.is(error.problems[0].reason, 'mismatch')
  for (const handle of [undefined, {}, engine.share(), 'x']) {
    t.throws(() => SharedMemory.attach(handle as never), { instanceOf: ArgumentError })
  }
  t.throws(() => SharedMemory.attach({ kind: 'memory', id: 'none' }), { code: 'CLOSED' })
})

test('a closed object lets go of the memory, which lives on for others', (t) => {
  const memory = new SharedMemory(engine, { minimum: 1, maximum: 4 })
  const { exports } = open(memory)
  memory.writeByte(0, 9)
  const handle = memory.share()
  t.is(memory.share(), handle)
  t.is(SharedMemory.attach(handle), memory)
  memory.close()
  memory.close()
  for (const use of [
    () => memory.readByte(0),
    () => memory.grow(1),
    () => memory.type,
    () => memory.size,
    () => memory.wait(0, 0, 0),
    () => new Linker(engine).define('m', 'x', memory),
  ])
  // prettier-ignore
  {t.throws(use, { code: 'CLOSED' })}
  t.throws(() => SharedMemory.attach(handle), { code: 'CLOSED' })
  const again = exports['memory'] as SharedMemory
  t.not(again, memory)
  t.is(again.readByte(0), 9)
})
