// The smallest complete program: a guest in text format, one host function, two ways to call the guest.

// In a project of your own: import { Runtime } from 'node-wasmtime'
import { Runtime } from '../index.mjs'

const guest = `
  (module
    (import "env" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "hello from WebAssembly")
    (func (export "greet") (call $log (i32.const 16) (i32.const 22)))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))`

const runtime = new Runtime()

// `module` is the instance that calls: its memory is where the address points to.
runtime
  .newHostModuleBuilder('env')
  .newFunctionBuilder()
  .withModuleFunc(
    (module, address, length) => {
      console.log(`guest says: ${module.memory?.readString(address >>> 0, length >>> 0)}`)
    },
    ['i32', 'i32'],
    [],
  )
  .withParameterNames('address', 'length')
  .export('log')
  .instantiate()

const compiled = await runtime.compileModule(guest)
const instance = runtime.instantiate(compiled)

// Exports are plain functions ...
instance.exports['greet']()
console.log(`2 + 40 = ${instance.exports['add'](2, 40)}`)

// ... and `Func` objects, which also tell about themselves.
const add = instance.exportedFunction('add')
console.log(`40 + 2 = ${add?.call(40, 2)}; add takes ${add?.type.params.join(', ')} and returns ${add?.type.results}`)

// What is compiled can be instantiated any number of times; each instance has a memory of its own.
const [first, second] = [runtime.instantiate(compiled), runtime.instantiate(compiled)]
first.memory?.writeString(16, 'HELLO')
first.exports['greet']()
second.exports['greet']()

runtime.close()
console.log(`instances left: ${runtime.stats().instances}`)
