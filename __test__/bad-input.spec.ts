import test from 'ava'

import wasmtime from '../index.js'

import { oddValues } from './support/odd-values.ts'
import { Random } from './support/random.ts'
import { type World, closeWorld, makeWorld } from './support/world.ts'

type AnyFunction = (...args: any[]) => unknown

interface Target {
  readonly label: string
  readonly run: (world: World, receiver: unknown, args: unknown[]) => unknown
  /** Names the thing of a world that the method is meant for. */
  readonly receiver: (world: World) => unknown
}

/** Which things of a world are instances of a class. */
const receivers: Record<string, (world: World) => unknown> = {
  Engine: (world) => world.engine,
  Store: (world) => world.otherStore,
  Linker: (world) => world.linker,
  Module: (world) => world.module,
  InstancePre: (world) => world.pre,
  Instance: (world) => world.instance,
  Func: (world) => world.func,
  Memory: (world) => world.memory,
  Global: (world) => world.global,
  Table: (world) => world.table,
  Tag: (world) => world.tag,
  WasmException: (world) => world.exception,
  StructRef: (world) => world.struct,
  ArrayRef: (world) => world.array,
  SharedMemory: (world) => world.sharedMemory,
  Runtime: (world) => world.runtime,
  CompiledHostModule: (world) => world.hostModule,
  HostModuleInstance: (world) => world.host,
  HostModuleBuilder: (world) => world.hostBuilder,
  HostFunctionBuilder: (world) => world.functionBuilder,
  CompiledModule: (world) => world.compiled,
  GuestProfiler: (world) => world.profiler,
  ModuleInstance: (world) => world.guest,
}

function methodsOf(owner: object, label: string, receiver: (world: World) => unknown): Target[] {
  const found: Target[] = []
  for (const key of Reflect.ownKeys(owner)) {
    if (key === 'constructor' || key === 'prototype') continue
    const descriptor = Object.getOwnPropertyDescriptor(owner, key) as PropertyDescriptor
    for (const kind of ['value', 'get', 'set'] as const) {
      const method: unknown = descriptor[kind]
      if (typeof method !== 'function') continue
      const run = (_: World, self: unknown, args: unknown[]) => Reflect.apply(method, self, args)
      found.push({ label: `${kind === 'value' ? '' : `${kind} `}${label}.${String(key)}`, run, receiver })
    }
  }
  return found
}

function allTargets(): Target[] {
  const targets = methodsOf(wasmtime.api, 'api', () => wasmtime.api)
  for (const [name, value] of Object.entries(wasmtime)) {
    if (typeof value !== 'function') continue
    const callable = value as unknown as AnyFunction & { prototype: object | undefined }
    targets.push({
      label: name,
      run: (_, self, args) => Reflect.apply(callable, self, args),
      receiver: () => undefined,
    })
    if (callable.prototype === undefined || !/^class\b/.test(Function.prototype.toString.call(callable))) continue
    const construct = value as unknown as new (...args: unknown[]) => unknown
    targets.push({ label: `new ${name}`, run: (_, _self, args) => new construct(...args), receiver: () => undefined })
    targets.push(...methodsOf(callable, name, () => callable))
    const receiver = receivers[name] ?? (() => new construct('text'))
    targets.push(...methodsOf(callable.prototype, `${name}.prototype`, receiver))
  }
  const exported = Object.keys(makeWorld().instance.exports).filter(
    (name) => !/counter|constant|any|funcs|values|memory/.test(name),
  )
  for (const name of exported) {
    const run = (world: World, self: unknown, args: unknown[]) =>
      Reflect.apply(world.instance.exports[name], self, args)
    targets.push({ label: `exports.${name}`, run, receiver: () => undefined })
  }
  return targets
}

/** What comes of a call: nothing to say, or a complaint. */
async function attempt(target: Target, world: World, receiver: unknown, args: unknown[]): Promise<string | undefined> {
  try {
    const result = target.run(world, receiver, args)
    // Only promises of the package itself, not what an argument brought along.
    if (result instanceof Promise && !args.includes(result)) await result
    return undefined
  } catch (error) {
    return error instanceof Error ? undefined : `threw ${typeof error}, which is no Error`
  }
}

/** Arguments that are right, among which the odd ones have to stand out. */
function goodValues(world: World): unknown[] {
  return [
    ...Object.values(world), world.instance.exports['add'], 'memory', 'add', 'env', 'f', 'i32', ['i32'], 1, 0n,
    { params: ['i32'], results: ['i32'] }, { minimum: 1, maximum: 2 }, new Uint8Array(4), () => 1,
  ] // prettier-ignore
}

const targets = allTargets()
const control = makeWorld()

function stillWorks(): boolean {
  const { instance, guest } = control
  return instance.exports['add'](40, 2) === 42 && instance.exports['host'](1) === 2 && guest.exports['host'](4) === 5
}

for (let part = 0; part < 4; part++) {
  const share = targets.filter((_, index) => index % 4 === part)

  test(`whatever is passed to a function, it returns or throws an Error (${part + 1} of 4)`, async (t) => {
    t.timeout(170_000)
    const random = new Random(0x5eed + part)
    for (const target of share) {
      let world = makeWorld()
      const renew = () => {
        closeWorld(world)
        world = makeWorld()
      }
      const complaints: string[] = []
      const tell = (complaint: string | undefined, labels: string[]) => {
        if (complaint !== undefined) complaints.push(`${target.label}(${labels.join(', ')}) ${complaint}`)
      }
      const call = async (receiver: unknown, labels: string[], args: unknown[]) => {
        tell(await attempt(target, world, receiver, args), labels)
      }
      for (const [label, make] of oddValues) {
        await call(target.receiver(world), [label], [make()])
        // As an argument that is not the first, with arguments before it that pass.
        const before = Array.from({ length: 1 + random.below(3) }, () => random.pick(goodValues(world)))
        await call(target.receiver(world), ['...', label], [...before, make()])
        await call(make(), [`this: ${label}`], [])
        if (random.below(12) === 0) renew()
      }
      for (const receiver of [{}, undefined, Object.create((target.receiver(world) as object | null) ?? null)]) {
        await call(receiver, ['a wrong this'], [random.pick(oddValues)[1](), random.pick(goodValues(world))])
      }
      for (let round = 0; round < 60; round++) {
        const labels: string[] = []
        const args = Array.from({ length: random.below(6) }, () => {
          if (random.below(2) === 0) return random.pick(goodValues(world))
          const [label, make] = random.pick(oddValues)
          labels.push(label)
          return make() as unknown
        })
        await call(target.receiver(world), labels, args)
        if (round % 20 === 19) renew()
      }
      closeWorld(world)
      t.deepEqual(complaints, [], target.label)
      t.true(stillWorks(), `after ${target.label}`)
    }
  })
}

test('every function of the package is put to the test', (t) => {
  const labels = new Set(targets.map((target) => target.label))
  for (const label of [
    'new Engine',
    'Module.compile',
    'Linker.prototype.func',
    'set Global.prototype.value',
    'wat2wasm',
    'Memory.prototype.writeString',
    'Runtime.prototype.instantiate',
    'Func.prototype.callWithStack',
    'exports.vector',
    'api.encodeI32',
    'get Instance.prototype.exports',
    'Store.prototype.close',
  ]) {
    // prettier-ignore
    t.true(labels.has(label), label)
  }
  t.true(targets.length > 200, String(targets.length))
})
