// Globals and tables: those that a guest exports, and those that the host makes for guests.

// In a project of your own: import { Runtime } from 'node-wasmtime'
import { Runtime } from '../index.mjs'

const guest = `
  (module
    (import "config" "verbose" (global $verbose i32))
    (import "config" "objects" (table $objects 2 externref))
    (type $operation (func (param i32 i32) (result i32)))
    (global $calls (export "calls") (mut i64) (i64.const 0))
    (global (export "version") f64 (f64.const 1.5))
    (table $operations (export "operations") 3 funcref)
    (elem (table $operations) (i32.const 0) func $add $multiply)
    (func $add (type $operation) (i32.add (local.get 0) (local.get 1)))
    (func $multiply (type $operation) (i32.mul (local.get 0) (local.get 1)))
    (func (export "run") (param $which i32) (param i32 i32) (result i32)
      (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
      (call_indirect $operations (type $operation) (local.get 1) (local.get 2) (local.get $which)))
    (func (export "verbose") (result i32) (global.get $verbose))
    (func (export "swap") (local externref)
      (local.set 0 (table.get $objects (i32.const 0)))
      (table.set $objects (i32.const 0) (table.get $objects (i32.const 1)))
      (table.set $objects (i32.const 1) (local.get 0))))`

const runtime = new Runtime()
const config = runtime
  .newHostModuleBuilder('config')
  .exportGlobal('verbose', 'i32', 1)
  .exportTable('objects', { min: 2, element: 'externref' })
  .instantiate()
const instance = runtime.instantiate(guest)
const { run, swap, verbose } = instance.exports

// A global has a type and a value; an i64 is a bigint, always.
run(0, 3, 4)
run(1, 3, 4)
const calls = instance.exportedGlobal('calls')
const version = instance.exportedGlobal('version')
if (calls === undefined || version === undefined) throw new Error('the guest exports no such globals')
console.log(`calls: ${calls.type.content}, value ${calls.value}n`)
calls.value = 100n
run(0, 1, 1)
console.log(`calls after setting it to 100 and one more call: ${calls.value}n`)
console.log(`version: ${version.value}, ${version.mutable ? 'mutable' : 'immutable'}; verbose: ${verbose()}`)

// A table of functions is what guests call function pointers with. The host can rewire it.
const operations = instance.exportedTable('operations')
if (operations === undefined) throw new Error('the guest exports no such table')
console.log(`operations: ${operations.length}, the third is ${operations.get(2)}; 3 + 4 = ${run(0, 3, 4)}`)
operations.set(2, operations.get(1))
operations.set(0, operations.get(2))
console.log(`with multiply in all places: ${operations.get(0).call(3, 4)} and ${run(0, 3, 4)} and ${run(2, 3, 4)}`)

// A table of externrefs holds any JavaScript value, and gives back that very value.
const objects = config.exportedTable('objects')
if (objects === undefined) throw new Error('the host module exports no such table')
const cat = { name: 'cat' }
objects.set(0, cat)
objects.set(1, 'a string')
swap()
console.log(`after the swap: ${objects.get(0)}, and the same cat: ${objects.get(1) === cat}`)
runtime.close()
