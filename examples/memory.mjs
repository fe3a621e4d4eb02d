// A guest's memory: bytes, numbers and text, in and out, and what happens at its end.

// In a project of your own: import { Runtime } from 'node-wasmtime'
import { Runtime } from '../index.mjs'

const guest = `
  (module
    (memory (export "memory") 1 3)
    ;; Turns ASCII letters into upper case, in place.
    (func (export "shout") (param $at i32) (param $length i32)
      (local $byte i32)
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $length)))
          (local.set $byte (i32.load8_u (local.get $at)))
          (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 97)) (i32.const 26))
            (then (i32.store8 (local.get $at) (i32.sub (local.get $byte) (i32.const 32)))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br $next))))
    (func (export "sum") (param $at i32) (result f64)
      (f64.add (f64.load (local.get $at)) (f64.load offset=8 (local.get $at)))))`

const runtime = new Runtime()
const instance = runtime.instantiate(guest)
const { memory } = instance
if (memory === undefined) throw new Error('the guest exports no memory')
console.log(`memory: ${memory.pages} page of 64 KiB, at most ${memory.type.maximum}`)

// Text goes in and out as UTF-8. `writeString` gives the number of bytes, or `false` if they do not fit.
const length = memory.writeString(1024, 'straße, café, tea')
if (length === false) throw new Error('the text does not fit')
instance.exports['shout'](1024, length)
console.log(`text: ${memory.readString(1024, length)}`)

// Numbers are little-endian, as WebAssembly has them.
memory.writeFloat64Le(64, 1.5)
memory.writeFloat64Le(72, 2.25)
console.log(`numbers: 1.5 + 2.25 = ${instance.exports['sum'](64)}`)
memory.writeUint64Le(80, 2n ** 64n - 1n)
console.log(`the same 8 bytes: ${memory.readUint64Le(80)} unsigned, ${memory.readInt64Le(80)} signed`)

// Bytes are copied. `read` makes a new array; `readInto` fills one that you have, which is faster in a loop.
memory.write(0, Uint8Array.of(1, 2, 3, 4))
const target = new Uint8Array(4)
memory.readInto(0, target)
console.log(`bytes: [${target}] and again [${memory.read(0, 4)}]`)

// Outside the memory there is nothing: reads give undefined, writes false, and nothing is done in part.
console.log(`at the end: read ${memory.readUint32Le(memory.size - 2)}, write ${memory.writeByte(memory.size, 1)}`)

// Growing gives the number of pages before, or undefined where the limit is.
console.log(`grow by 2: was ${memory.grow(2)}, now ${memory.pages} pages; grow by 1: ${memory.grow(1)}`)
runtime.close()
