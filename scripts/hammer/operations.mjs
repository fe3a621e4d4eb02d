import { setTimeout as sleep } from 'node:timers/promises'

import {
  ArgumentError,
  ClosedError,
  CompileError,
  Engine,
  ExitError,
  Func,
  Global,
  InstancePre,
  Linker,
  Memory,
  Module,
  Runtime,
  Store,
  StoreBusyError,
  Table,
  TrapError,
  wasmFramesOf,
} from '../../index.mjs'
import { WrongError, check } from './check.mjs'
import { corpus } from './corpus.mjs'
import { hostModule } from './guests.mjs'
import { randomCall, calls } from './guest-calls.mjs'
import { odd } from './odd.mjs'

/** Whether the addon was told to behave as in Electron. */
const viewsAreForbidden = process.env.NODE_WASMTIME_NO_EXTERNAL_BUFFERS !== undefined

/** The operation must fail like this. */
function mustThrow(classes, what, run) {
  let result
  try {
    result = run()
  } catch (error) {
    if (classes.some((one) => error instanceof one)) return
    throw error
  }
  throw new WrongError(`${what} must throw, but gave ${String(result)}`)
}

/** Moves a view's bytes to another buffer, or copies them where JavaScript has no way to move them (Node.js 20). */
function move(buffer) {
  return buffer.transfer?.() ?? structuredClone(buffer)
}

/** How an instance was made: what its exports are. */
const kinds = new WeakMap()
/** The exit code that an instance was closed with from outside. */
const codes = new WeakMap()

function adopt(world, instance, kind) {
  if (instance === undefined) return
  kinds.set(instance, kind)
  world.instances.push(instance)
}

/** A guest of the kind whose answers are known; `undefined` if there is none yet. */
const guestOf = (world) => {
  const instance = world.pick(world.instances)
  return instance !== undefined && kinds.get(instance) === 'main' ? instance : undefined
}

async function source(world) {
  const { random, runtime, sources } = world
  const kind = random.pick(['main', 'main', 'main', 'starter', 'failing', 'user'])
  const compiled = random.oneIn(2)
    ? runtime.compileModuleSync(sources[kind])
    : await runtime.compileModule(sources[kind])
  kinds.set(compiled, kind)
  return compiled
}

/** What can stop an asynchronous operation, or nothing. */
function stopOptions(world, options = {}) {
  const { random } = world
  const kind = random.below(6)
  if (kind === 0) options.timeoutMs = random.below(8)
  if (kind === 1) {
    const controller = new AbortController()
    const reason = world.purpose()
    // Without a reason an abort has one of its own.
    const why = reason === undefined ? 'on purpose' : reason
    options.signal = controller.signal
    if (random.oneIn(2)) controller.abort(why)
    else setTimeout(() => controller.abort(why), random.below(8))
  }
  return options
}

const sizeOf = (memory) => memory.size

function collectExterns(world, instance) {
  for (const item of Object.values(instance.exports)) {
    if (item instanceof Memory) world.memories.push(item)
    else if (item instanceof Global) world.globals.push(item)
    else if (item instanceof Table) world.tables.push(item)
    else if (typeof item === 'function') world.functions.push(item)
  }
}

/**
 * The operations. Each has a `name`, a `weight` (default 1: how often it comes up), `run(world)`, and `inside: true` if it is
 * synchronous and a host function may do it too. A `run` may throw what the API documents; everything else that it throws,
 * a `WrongError` above all, is a finding. To add one, add an entry.
 */
export const operations = [
  { name: 'compile', weight: 3, run: async (world) => void world.compiled.push(await source(world)) },
  {
    name: 'compile what is no module',
    inside: true,
    run: ({ runtime, random }) =>
      mustThrow([CompileError, ArgumentError, ClosedError], 'compiling nonsense', () =>
        runtime.compileModuleSync(
          random.pick(['(module', '', new Uint8Array([0, 97, 115, 109, 1, 0, 0]), 5, null, {}]),
        ),
      ),
  },
  {
    name: 'instantiate',
    weight: 5,
    inside: true,
    run(world) {
      const compiled = world.pick(world.compiled)
      if (compiled === undefined) return
      const kind = kinds.get(compiled)
      const name = kind === 'main' && world.random.oneIn(3) ? 'lib' : world.random.oneIn(8) ? `n${world.names++}` : ''
      adopt(world, world.runtime.instantiate(compiled, { name, context: world.random.below(9) }), kind)
    },
  },
  {
    name: 'instantiate async',
    weight: 5,
    async run(world) {
      const compiled = world.pick(world.compiled)
      if (compiled === undefined) return
      const kind = kinds.get(compiled)
      const name = kind === 'main' && world.random.oneIn(3) ? 'lib' : world.random.oneIn(8) ? `n${world.names++}` : ''
      const making = world.runtime.instantiateAsync(compiled, stopOptions(world, { name }))
      const what = `instantiateAsync ${kind} as "${name}"`
      world.track(what, making, (instance) => adopt(world, instance, kind))
      // Not for long: a start function may wait for ever.
      if (world.random.oneIn(2)) await Promise.race([making, sleep(20)])
    },
  },
  {
    name: 'call',
    weight: 12,
    inside: true,
    run(world) {
      const instance = guestOf(world)
      if (instance === undefined) return
      const { name, args, expect } = randomCall(world, false)
      const how = world.random.below(4)
      const func = instance.exportedFunction(name)
      const result =
        how === 0
          ? instance.exports[name](...args)
          : how === 1
            ? func.call(...args)
            : how === 2
              ? func.callWith({ context: { how } }, ...args)
              : func.function(...args)
      expect?.(result)
    },
  },
  {
    name: 'call on a stack',
    weight: 2,
    inside: true,
    run(world) {
      const stack = new BigUint64Array(2)
      stack[0] = 5n
      guestOf(world)?.exportedFunction('add').callWithStack(stack)
    },
  },
  {
    name: 'call async',
    weight: 14,
    inside: true,
    run(world) {
      const instance = guestOf(world)
      if (instance === undefined) return
      const { name, args, expect } = randomCall(world, true)
      const func = instance.exportedFunction(name)
      const options = stopOptions(world, { context: world.random.below(9) })
      if (calls[name].endless) options.timeoutMs ??= 5
      const plain = options.timeoutMs === undefined && options.signal === undefined && world.random.oneIn(2)
      const what = `${name}(${args.map((value) => typeof value)}) with ${Object.keys(options).join()}`
      world.track(what, plain ? func.callAsync(...args) : func.callAsyncWith(options, ...args), expect)
    },
  },
  {
    name: 'call with wrong arguments',
    weight: 3,
    inside: true,
    run(world) {
      const instance = guestOf(world)
      if (instance === undefined || instance.closed) return
      const value = odd(world.random)
      const args = world.random.pick([[], [1], [1, 2, 3], [1, 'text'], [1n, 1], [value, 1]])
      if (args.length === 2 && typeof args[0] === 'number') return
      mustThrow([ArgumentError, ExitError, ClosedError, StoreBusyError], 'a call with wrong arguments', () =>
        instance.exports.add(...args),
      )
    },
  },
  {
    name: 'call with wrong options',
    inside: true,
    run(world) {
      const instance = guestOf(world)
      if (instance === undefined || instance.closed) return
      const func = instance.exportedFunction('add')
      mustThrow([ArgumentError, ExitError], 'a wrong option', () => func.callWith({ fuell: 1 }, 1, 2))
    },
  },
  {
    name: 'look at exports',
    weight: 2,
    inside: true,
    run(world) {
      const instance = world.pick(world.instances)
      if (instance === undefined) return
      collectExterns(world, instance)
      void [instance.memory?.type, instance.exportedDefinition('add'), instance.context, instance.mode, instance.name]
    },
  },
  {
    name: 'call a function that was kept',
    weight: 3,
    inside: true,
    run(world) {
      const func = world.pick(world.functions)
      if (func === undefined || func.name === 'spin') return
      func(1, 2)
    },
  },
  {
    name: 'write and read',
    weight: 5,
    inside: true,
    run(world) {
      const { random } = world
      const memory = world.pick(world.memories) ?? guestOf(world)?.memory
      if (memory === undefined) return
      const offset = random.pick([0, 8, 65528, 65535, 65536, 100_000, 2 ** 32 - 1, 2 ** 53 - 1])
      const bytes = random.below(9)
      const wrote = memory.write(offset, new Uint8Array(bytes).fill(7))
      const size = sizeOf(memory)
      check(wrote === offset + bytes <= size, `write at ${offset} of ${size} gave ${wrote}`)
      const read = memory.read(offset, bytes)
      check((read !== undefined) === wrote, `read at ${offset} of ${size}`)
      check(!wrote || read.every((byte) => byte === 7), 'what was written is not what is read')
      const value = random.number('f64')
      if (memory.writeFloat64Le(offset, value)) check(Object.is(memory.readFloat64Le(offset), value), 'a float changed')
      void [memory.readCString(offset, 50), memory.writeString(offset, 'grüße'), memory.readString(offset, 7)]
    },
  },
  {
    name: 'grow a memory',
    weight: 2,
    inside: true,
    run(world) {
      const memory = world.pick(world.memories)
      if (memory === undefined) return
      const before = memory.pages
      const delta = world.random.pick([0, 1, 2, 100_000])
      const grown = memory.grow(delta)
      check(grown === undefined || (grown === before && memory.pages === before + delta), 'a wrong size after growing')
    },
  },
  {
    name: 'view',
    weight: 3,
    inside: true,
    run(world) {
      const memory = world.pick(world.memories)
      if (memory === undefined) return
      if (viewsAreForbidden && memory.size > 0) {
        mustThrow([ArgumentError], 'view', () => memory.view())
        return
      }
      const view = memory.view()
      check(view.length === memory.size, 'a view of another size')
      check(view.length === 0 || view === memory.view(), 'two views of one memory')
      if (view.length > 0) {
        view[0] = 99
        check(memory.readByte(0) === 99, 'a view of other bytes')
      }
      world.views.push({ memory, view })
    },
  },
  {
    name: 'use an old view',
    weight: 2,
    inside: true,
    run(world) {
      const entry = world.pick(world.views)
      if (entry === undefined) return
      if (entry.view.length === 0) return
      entry.view[entry.view.length - 1] = world.random.below(256)
      if (world.random.oneIn(6)) move(entry.view.buffer)
    },
  },
  {
    name: 'set and get a global',
    weight: 3,
    inside: true,
    run(world) {
      const global = world.pick(world.globals)
      if (global === undefined) return
      const { content, mutable } = global.type
      if (!/^(?:[if](?:32|64)|externref)$/.test(content)) return
      const value = content === 'externref' ? odd(world.random) : world.random.number(content)
      if (mutable) {
        global.value = value
        check(Object.is(global.value, value), `a global of ${content} has another value`)
      } else mustThrow([ArgumentError, StoreBusyError], 'setting an immutable global', () => (global.value = value))
    },
  },
  {
    name: 'use a table',
    weight: 4,
    inside: true,
    run(world) {
      const { random } = world
      const table = world.pick(world.tables)
      if (table === undefined) return
      const { element } = table.type
      const { length } = table
      if (element === 'externref' && length > 0) {
        const value = odd(random)
        const at = random.below(length)
        table.set(at, value)
        check(Object.is(table.get(at), value), 'a table has another element')
        if (random.oneIn(4)) table.fill(0, value, length)
      }
      if (random.oneIn(4)) {
        const grown = table.grow(random.below(3), null)
        check(grown === undefined || grown === length, 'a wrong length before growing')
      }
      if (element === 'funcref' && length > 1) {
        const func = table.get(1)
        if (func !== null) table.set(random.below(length), random.oneIn(2) ? func : null)
      }
      mustThrow([RangeError, StoreBusyError], 'an index beyond the end', () =>
        table.get(table.length + random.below(5)),
      )
    },
  },
  {
    name: 'close an instance',
    weight: 3,
    inside: true,
    run(world) {
      const instance = world.pick(world.instances)
      if (instance === undefined) return
      const code = world.random.below(5)
      const before = instance.closed ? instance.exitCode : code
      instance.close(code)
      check(instance.closed && instance.exitCode === before, `closed with ${code}, but ${instance.exitCode} is told`)
      codes.set(instance, before)
    },
  },
  {
    name: 'use a closed instance',
    weight: 2,
    inside: true,
    run(world) {
      const instance = guestOf(world)
      const code = codes.get(instance)
      if (code === undefined) return
      mustThrow([ExitError], 'a call of a closed instance', () => instance.exports.add(1, 2))
      try {
        instance.exports.add(1, 2)
      } catch (error) {
        check(error.exitCode === code, `exit code ${error.exitCode}, but it was closed with ${code}`)
      }
    },
  },
  { name: 'close a module', inside: true, run: (world) => void world.pick(world.compiled)?.close() },
  {
    name: 'close the host module',
    inside: true,
    run(world) {
      if (world.random.oneIn(3)) return
      world.runtime.module('hammer')?.close()
      hostModule(world)
    },
  },
  {
    name: 'another runtime',
    run(world) {
      if (!world.random.oneIn(12)) return
      world.runtime.close(world.random.below(3))
      const { runtime } = world
      world.ends.push(runtime)
      world.runtime = new Runtime(world.options)
      hostModule(world)
    },
  },
  {
    name: 'traps have frames',
    inside: true,
    run(world) {
      const instance = guestOf(world)
      if (instance === undefined || instance.closed || instance.mode === 'async') return
      try {
        instance.exports.trap()
      } catch (error) {
        if (!(error instanceof TrapError)) throw error
        check(error.trapCode === 'unreachable', `trapped by ${error.trapCode}`)
        check(wasmFramesOf(error)[0]?.functionName === 'trap', 'the first frame is not the one that trapped')
        return
      }
      throw new WrongError('it did not trap')
    },
  },
  {
    name: 'a store and what is made in it',
    weight: 3,
    inside: true,
    run(world) {
      const { random, engine } = world
      const store = new Store(engine, random.oneIn(3) ? { mode: random.pick(['sync', 'async']) } : {})
      world.stores.push(store)
      const func = new Func(store, { params: ['i32'], results: ['i32'] }, (n) => n + 1)
      world.memories.push(new Memory(store, { minimum: random.below(3), maximum: 4 }))
      world.globals.push(new Global(store, { content: 'externref', mutable: true }, { store, func }))
      world.tables.push(new Table(store, { element: 'funcref', minimum: 2 }, func))
      if (store.mode !== 'async') check(func.call(4) === 5, 'a function of a store gave another result')
      world.functions.push(func.function)
    },
  },
  {
    name: 'close or collect a store',
    weight: 2,
    inside: true,
    run(world) {
      const store = world.pick(world.stores)
      if (store === undefined) return
      if (world.random.oneIn(2)) store.gc()
      else store.close()
    },
  },
  {
    name: 'link a random module',
    weight: 3,
    async run(world) {
      const { random, engine } = world
      const module = Module.compileSync(engine, world.bytes ?? random.pick(corpus))
      const linker = new Linker(engine)
      if (random.oneIn(2)) linker.defineUnknownImportsAsTraps()
      else linker.defineUnknownImportsAsDefaultValues()
      const store = new Store(engine)
      world.stores.push(store)
      const asynchronous = world.bytes === undefined || random.oneIn(2)
      const options = { timeoutMs: 100 }
      const instance = asynchronous
        ? await linker.instantiateAsync(store, module, options)
        : random.oneIn(2)
          ? linker.instantiate(store, module)
          : linker.instantiatePre(module).instantiate(store)
      module.close()
      collectExterns(world, instance)
      for (const { name, type } of module.exports) {
        if (type.kind !== 'func' || random.oneIn(3)) continue
        const args = type.params.map((param) =>
          param === 'v128'
            ? new Uint8Array(16)
            : param === 'externref'
              ? odd(random)
              : /^[if](32|64)$/.test(param)
                ? random.number(param)
                : null,
        )
        const fuel = instance.getGlobal('module-smith fuel')
        try {
          if (fuel !== undefined) fuel.value = 300
          if (asynchronous) await instance.getFunc(name).callAsyncWith(options, ...args)
          else instance.getFunc(name).call(...args)
        } catch (error) {
          world.count(world.codeOf(error))
        }
      }
    },
  },
  {
    name: 'prepare an instantiation',
    inside: true,
    run(world) {
      const linker = new Linker(world.engine).defineUnknownImportsAsDefaultValues()
      const module = Module.compileSync(world.engine, world.random.pick(corpus))
      const pre = linker.instantiatePre(module)
      check(pre instanceof InstancePre, 'no InstancePre')
      if (world.random.oneIn(2)) module.close()
    },
  },
  {
    name: 'share',
    inside: true,
    run(world) {
      const compiled = world.pick(world.compiled)
      if (compiled === undefined) return
      const other = Runtime.attach(world.runtime.share())
      const attached = other.attachModule(compiled.share())
      check(attached.exports.length === compiled.exports.length, 'an attached module has other exports')
      if (world.random.oneIn(2)) attached.close()
      other.close()
      const engine = Engine.attach(world.engine.share())
      check(engine.stats() !== undefined, 'no statistics')
    },
  },
  {
    name: 'statistics',
    inside: true,
    run({ runtime }) {
      const { tasks, totals, ...counts } = runtime.stats()
      for (const [name, count] of Object.entries({ ...tasks, ...totals, ...counts })) {
        check(Number.isInteger(count) && count >= 0, `${name} is ${count}`)
      }
    },
  },
  { name: 'collect garbage', weight: 2, inside: true, run: () => void globalThis.gc?.() },
  { name: 'wait', weight: 2, run: ({ random }) => sleep(random.below(4)) },
  {
    name: 'lose an instance',
    weight: 2,
    inside: true,
    run(world) {
      // Only one whose calls are over: what waits for a promise that never settles would be collected with it, silently.
      const at = world.random.below(Math.max(world.instances.length, 1))
      const instance = world.instances[at]
      if (instance !== undefined && instance.mode === 'sync') world.instances.splice(at, 1)
    },
  },
]
