// Checked by `tsc --noEmit`: a wrong type is a compile error, and so is an expected error that does not come.
import {
  type AsyncModuleConfig,
  type CompiledHostModule,
  type CompiledModule,
  type Engine,
  type EngineStats,
  type Func,
  type HostFunctionBuilder,
  type HostModuleBuilder,
  type HostModuleInstance,
  type Instance,
  type InstancePre,
  type Linker,
  type Module,
  type ModuleInstance,
  type Runtime,
  Store,
  type TypedFunc,
} from '../../index.mjs'

/** `true` only for identical types: `any` is equal to nothing but `any`, and `readonly` counts. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

function expectTrue<_T extends true>(): void {}

declare const runtime: Runtime
declare const compiled: CompiledModule
declare const hostModule: CompiledHostModule
declare const builder: HostModuleBuilder
declare const f: HostFunctionBuilder
declare const func: TypedFunc<['i32', 'i64'], ['f64']>
declare const pair: TypedFunc<[], ['i32', 'i64']>
declare const none: TypedFunc<['externref'], []>
declare const anyFunc: Func
declare const linker: Linker
declare const pre: InstancePre
declare const module: Module
declare const engine: Engine
declare const signal: AbortSignal

// instantiateAsync
const guest = runtime.instantiateAsync(compiled)
expectTrue<Equal<typeof guest, Promise<ModuleInstance>>>()
const typed = runtime.instantiateAsync<{ run: (n: number) => number }>('(module)', { name: '', timeoutMs: 5, signal })
expectTrue<Equal<typeof typed, Promise<ModuleInstance<{ run: (n: number) => number }>>>>()
const host = runtime.instantiateAsync(hostModule, { name: 'other' })
expectTrue<Equal<typeof host, Promise<HostModuleInstance>>>()
expectTrue<Equal<ReturnType<HostModuleBuilder['instantiateAsync']>, Promise<HostModuleInstance>>>()
const config: AsyncModuleConfig = { startFunctions: ['a'], context: Symbol('any'), timeoutMs: 1.5, signal }
void runtime.instantiateAsync(new Uint8Array(), config)
// @ts-expect-error -- host modules have nothing to stop
void runtime.instantiateAsync(hostModule, { timeoutMs: 5 })
// @ts-expect-error -- no such option
void runtime.instantiateAsync(compiled, { timeout: 5 })
// @ts-expect-error -- milliseconds are a number
void runtime.instantiateAsync(compiled, { timeoutMs: '5' })
// @ts-expect-error -- synchronous instantiation cannot be aborted
runtime.instantiate(compiled, { signal })
// @ts-expect-error -- a signal, not its controller
void runtime.instantiateAsync(compiled, { signal: new AbortController() })

// callAsync
const result = func.callAsync(1, 2n)
expectTrue<Equal<typeof result, Promise<number>>>()
const results = pair.callAsync()
expectTrue<Equal<typeof results, Promise<readonly [number, bigint]>>>()
const nothing = none.callAsync({ any: 'thing' })
expectTrue<Equal<typeof nothing, Promise<void | undefined>>>()
const anything = anyFunc.callAsync(1, 'x', {})
expectTrue<Equal<typeof anything, Promise<any>>>()
// @ts-expect-error -- an i64 is a bigint
void func.callAsync(1, 2)
// @ts-expect-error -- one argument too few
void func.callAsync(1)
// @ts-expect-error -- one argument too many
void func.callAsync(1, 2n, 3)

// callAsyncWith
const limited = func.callAsyncWith({ signal, timeoutMs: 10, context: { user: 1 } }, 1, 2n)
expectTrue<Equal<typeof limited, Promise<number>>>()
void pair.callAsyncWith({})
// @ts-expect-error -- options come first
void func.callAsyncWith(1, 2n)
// @ts-expect-error -- an i64 is a bigint
void func.callAsyncWith({}, 1, 2)
// @ts-expect-error -- no such option
void func.callAsyncWith({ timeout: 1 }, 1, 2n)
// @ts-expect-error -- a synchronous call cannot be aborted
func.callWith({ signal }, 1, 2n)

// What is in which mode
expectTrue<Equal<ModuleInstance['mode'], 'sync' | 'async'>>()
expectTrue<Equal<Store['mode'], 'sync' | 'async' | undefined>>()
void new Store(engine, { mode: 'async' })
// @ts-expect-error -- not a mode
void new Store(engine, { mode: 'both' })

// The Wasmtime-style layer
const instance = linker.instantiateAsync(new Store(engine), module, { timeoutMs: 5, signal })
expectTrue<Equal<typeof instance, Promise<Instance>>>()
const second = pre.instantiateAsync(new Store(engine), { signal })
expectTrue<Equal<typeof second, Promise<Instance>>>()
// @ts-expect-error -- an instance has no context there
void pre.instantiateAsync(new Store(engine), { context: 1 })

// linker.func: promises of what fits
linker.func('m', 'f', { params: ['i32'], results: ['i32'] }, async (n) => n * 2)
linker.func('m', 'f', { params: ['i64'], results: ['i64', 'i32'] }, async (n) => [n, 1])
linker.func('m', 'f', { params: [], results: [] }, async () => {})
linker.func('m', 'f', { params: ['i32'], results: ['i32'] }, (n) => (n > 0 ? n : Promise.resolve(0)))
linker.func('m', 'f', { params: ['i32'], results: [] }, () => {}, { notify: true, withInstance: true })
linker.func('m', 'f', undefined, async () => 'anything')

// Host functions that return promises, in every style
f.withFunc(async (a, b) => (b > 0n ? a : 0), ['i32', 'i64'], ['i32'])
f.withModuleFunc(async (instance, a) => [a, BigInt(instance.name.length)], ['f64'], ['f64', 'i64'])
f.withStackFunc(async (stack) => void (stack[0] = 1n), [], ['i32'])
f.withModuleStackFunc((_instance, stack) => Promise.resolve(void (stack[0] = 1n)), [], ['i32'])
f.withFunc(() => ({ then: (resolve: (value: number) => void) => resolve(1) }) as PromiseLike<number>, [], ['f32']) // oxlint-disable-line unicorn/no-thenable
// @ts-expect-error -- a promise of a bigint is no number
f.withFunc(async () => 1n, [], ['i32'])
// @ts-expect-error -- a promise of one value is no pair
f.withFunc(async () => 1, [], ['i32', 'i32'])
// @ts-expect-error -- the stack style gives no results
f.withStackFunc(async () => 1, [], ['i32'])

// Notifications
expectTrue<Equal<ReturnType<HostFunctionBuilder['withNotify']>, HostFunctionBuilder>>()
f.withFunc(() => {}, ['i32'], [])
  .withNotify()
  .withName('n')
  .export('f')
f.withNotify(false)
// @ts-expect-error -- whether, not what
f.withNotify('yes')

// What is alive
expectTrue<Equal<EngineStats['tasks']['parked'], number>>()
expectTrue<Equal<keyof ReturnType<Runtime['stats']>['tasks'], 'queued' | 'home' | 'pool' | 'parked'>>()
// @ts-expect-error -- only read
runtime.stats().tasks.pool = 1
void builder
