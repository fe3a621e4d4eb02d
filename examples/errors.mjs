// What can go wrong, and how a program tells one thing from another: by class, by `code`, by `trapCode`.

// In a project of your own: import { ... } from 'node-wasmtime'
import { CompileError, ExitError, LinkError, Runtime, TrapError } from '../index.mjs'

const guest = `
  (module $shop
    (import "env" "pay" (func $pay (param i32)))
    (memory (export "memory") 1)
    (func $inner (param i32) (result i32) (i32.div_s (i32.const 100) (local.get 0)))
    (func (export "divide") (param $by i32) (result i32) (call $inner (local.get $by)))
    (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "stop") unreachable)
    (func (export "pay") (param i32) (call $pay (local.get 0))))`

class PaymentError extends Error {}
const declined = new PaymentError('card declined')

const runtime = new Runtime()
runtime
  .newHostModuleBuilder('env')
  .newFunctionBuilder()
  .withFunc(
    (amount) => {
      if (amount > 100) throw declined
    },
    ['i32'],
    [],
  )
  .export('pay')
  .instantiate()
const { divide, load, stop, pay } = runtime.instantiate(guest, { name: '' }).exports

/**
 * @param {string} title
 * @param {() => unknown} run
 */
function attempt(title, run) {
  try {
    console.log(`${title}: ${run()}`)
  } catch (error) {
    if (error instanceof TrapError) console.log(`${title}: ${error.name}, trapCode ${error.trapCode}`)
    else if (error instanceof LinkError) console.log(`${title}: ${error.name}, missing ${error.problems[0]?.name}`)
    else if (error instanceof CompileError) console.log(`${title}: ${error.name}, code ${error.code}`)
    else if (error instanceof ExitError) console.log(`${title}: ${error.name}, exit code ${error.exitCode}`)
    else if (error === declined) console.log(`${title}: the same ${error.constructor.name} that the host threw`)
    else if (error instanceof TypeError) console.log(`${title}: TypeError, ${error.message}`)
    else throw error
  }
}

// A guest that traps stays usable; whether its data still makes sense is for you to judge.
attempt('divide by 0', () => divide(0))
attempt('divide by 4', () => divide(4))
attempt('load from nowhere', () => load(-1))
attempt('unreachable', () => stop())

// What a host function throws passes through the guest as it is.
attempt('pay 500', () => pay(500))
attempt('pay 5', () => pay(5))

attempt('a string as i32', () => divide('4'))
attempt('not WebAssembly', () => runtime.compileModuleSync(Buffer.from('MZ')))
attempt('an import that nobody offers', () => runtime.instantiate('(module (import "env" "refund" (func)))'))

const closed = runtime.instantiate(guest, { name: '' })
closed.close(3)
attempt('a closed instance', () => closed.exportedFunction('stop'))

// The message of a trap shows the WebAssembly stack, innermost function first; `frames` has it as data.
try {
  divide(0)
} catch (error) {
  if (error instanceof TrapError) console.log(error.message)
}
runtime.close()
