import wasmtime from '../../index.js'

/** A guest that exports one of everything, with limits that keep every growth small. */
export const everything = `(module $everything
  (import "env" "f" (func $f (param i32) (result i32)))
  (memory (export "memory") 1 3)
  (global (export "counter") (mut i32) (i32.const 7))
  (global (export "constant") i64 (i64.const 8))
  (global (export "any") (mut externref) (ref.null extern))
  (table (export "funcs") 4 10 funcref)
  (table (export "values") 4 10 externref)
  (elem (table 0) (i32.const 0) func $add)
  (func $add (export "add") (param $a i32) (param $b i32) (result i32) (i32.add (local.get $a) (local.get $b)))
  (func (export "wide") (param i64 f32 f64) (result f64 i64) (local.get 2) (local.get 0))
  (func (export "vector") (param v128) (result v128) (local.get 0))
  (func (export "ref") (param externref) (result externref) (local.get 0))
  (func (export "funcref") (param funcref) (result funcref) (local.get 0))
  (func (export "host") (param i32) (result i32) (call $f (local.get 0)))
  (func (export "many") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))
  (type $s (struct (field i32)))
  (type $a (array (mut i8)))
  (func (export "struct") (result (ref $s)) (struct.new $s (i32.const 5)))
  (func (export "array") (result (ref $a)) (array.new $a (i32.const 3) (i32.const 2)))
  (func (export "none")))`

/** One of everything that the package can make, fresh and open. */
export function makeWorld() {
  // Small reservations, since a test makes thousands of these memories.
  const options = { memoryReservation: 2 ** 18, memoryGuardSize: 2 ** 16, sharedMemory: true }
  const engine = new wasmtime.Engine(options)
  const store = new wasmtime.Store(engine)
  const otherStore = new wasmtime.Store(engine)
  const foreignStore = new wasmtime.Store(new wasmtime.Engine(options))
  const linker = new wasmtime.Linker(engine)
  linker.func('env', 'f', { params: ['i32'], results: ['i32'] }, (value) => value + 1)
  const module = wasmtime.Module.compileSync(engine, everything)
  const command = wasmtime.Module.compileSync(engine, '(module (func (export "_start")) (func (export "f")))')
  const pre = linker.instantiatePre(module)
  const instance = pre.instantiate(store)
  const runtime = new wasmtime.Runtime(options)
  const hostModule = runtime.newHostModuleBuilder('env').newFunctionBuilder().withFunc((value) => value + 1, ['i32'], ['i32'])
    .export('f').exportMemory('memory', { min: 1, max: 2 }).compile() // prettier-ignore
  const host = runtime.instantiate(hostModule)
  const compiled = runtime.compileModuleSync(everything)
  const guest = runtime.instantiate(compiled, { name: '' })
  const func = instance.getFunc('add')
  const hostFunc = new wasmtime.Func(store, { params: ['i32'], results: ['i32'] }, (value: number) => value)
  const memory = new wasmtime.Memory(store, { minimum: 1, maximum: 2 })
  const global = new wasmtime.Global(store, { content: 'i32', mutable: true }, 1)
  const table = new wasmtime.Table(store, { element: 'externref', minimum: 2, maximum: 5 })
  const tag = new wasmtime.Tag(store, { params: ['i32', 'anyref'] })
  const exception = new wasmtime.WasmException(tag, [1, 'x'])
  const struct: InstanceType<typeof wasmtime.StructRef> = instance.exports['struct']()
  const array: InstanceType<typeof wasmtime.ArrayRef> = instance.exports['array']()
  const sharedMemory = new wasmtime.SharedMemory(engine, { minimum: 1, maximum: 1 })
  // What nobody expects there, or a test that passes anything to `wait` would never end.
  sharedMemory.write(0, new Uint8Array(65536).fill(0xa5))
  const hostBuilder = runtime.newHostModuleBuilder('built')
  const functionBuilder = hostBuilder.newFunctionBuilder()
  const profiler = foreignStore.startProfiling()
  return {
    engine, store, otherStore, foreignStore, linker, module, command, pre, instance, runtime, hostModule, host, compiled, guest, func, hostFunc,
    memory, global, table, tag, exception, struct, array, sharedMemory, hostBuilder, functionBuilder, profiler,
  } // prettier-ignore
}

/** Frees what a world holds; whatever a test has closed already is left alone. */
export function closeWorld(world: World): void {
  world.runtime.close()
  world.store.close()
  world.otherStore.close()
  world.foreignStore.close()
}

export type World = ReturnType<typeof makeWorld>
