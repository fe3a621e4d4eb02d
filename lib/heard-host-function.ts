import { types } from 'node:util'

import type { HostFunctionExport } from './compiled-host-module'
import type { CompiledModule } from './compiled-module'
import { describe } from './describe'
import { ArgumentError } from './errors'
import { type FunctionDefinition, makeDefinition } from './function-definition'
import { type Border, type HostOutcome, type Listening, isThenable } from './listening'
import { ModuleInstance } from './module-instance'
import { asList, decodeStack } from './stack-values'
import { type ValueTypeName, signatureText } from './value-type'
import { renderName } from './wasm-frame'

/**
 * @internal The callback of a host function, for a runtime with listeners: the function itself if nobody listens to it. Else
 * one that takes the calling instance first; it checks the results, as native code would do a moment later, so that what
 * is wrong with them is heard as well.
 */
export function heardCallback(
  listening: Listening,
  item: HostFunctionExport,
  module: string,
  name: string,
): ((guest: ModuleInstance<any>, ...args: any[]) => unknown) | undefined {
  if (item.params === undefined || item.results === undefined) return untyped(listening, item, module, name)
  const { definition } = item
  const listener = listening.listenerOf(definition)
  if (listener === undefined) return undefined
  const heard = new HeardHostFunction(listening, item, definition)
  return (guest, ...args) => heard.call({ definition, listener, module: guest }, args)
}

/** A function that takes the types of each import has a definition, and perhaps a listener, for each module that imports it. */
function untyped(
  listening: Listening,
  item: HostFunctionExport,
  module: string,
  name: string,
): (guest: ModuleInstance<any>, ...args: any[]) => unknown {
  const known = new WeakMap<CompiledModule, HeardHostFunction>()
  return (guest, ...args) => {
    const importer = ModuleInstance.compiled(guest)
    let heard = known.get(importer)
    if (heard === undefined) {
      const type = importer.imports.find((one) => one.module === module && one.name === name)?.type
      const definition = makeDefinition({
        ...item.definition,
        type: type?.kind === 'func' ? type : { params: [], results: [] },
        isHost: true,
      })
      known.set(importer, (heard = new HeardHostFunction(listening, item, definition)))
    }
    const { definition } = heard
    return heard.call({ definition, listener: listening.listenerOf(definition), module: guest }, args)
  }
}

class HeardHostFunction {
  readonly #listening: Listening
  readonly #item: HostFunctionExport
  readonly definition: FunctionDefinition

  constructor(listening: Listening, item: HostFunctionExport, definition: FunctionDefinition) {
    this.#listening = listening
    this.#item = item
    this.definition = definition
  }

  call(border: Border, args: unknown[]): unknown {
    const { callback, style, withModule } = this.#item
    const { module } = border
    const run = (): unknown => (withModule ? callback(module, ...args) : callback(...args))
    if (style === 'natural') {
      return this.#listening.callHost(border, [...args], this, run, (value) => this.#check(value))
    }
    const stack = args[0] as BigUint64Array
    const { paramTypes, resultTypes } = this.definition
    return this.#listening.callHost(border, decodeStack(paramTypes, stack), this, run, () => ({
      value: undefined,
      results: decodeStack(resultTypes, stack),
    }))
  }

  /** Guests do not wait for it. */
  get isNotify(): boolean {
    return this.#item.notify
  }

  /** Whether a guest waits for what was returned, or, where it cannot, whether that is an error. */
  isPromise(value: unknown, canWait: boolean): boolean {
    if (canWait) return !this.isNotify && isThenable(value)
    if (this.#item.style === 'stack') return types.isPromise(value)
    const { resultTypes } = this.definition
    return !(resultTypes.length === 1 && resultTypes[0] === 'externref') && isThenable(value)
  }

  /** The error for a promise that cannot be waited for. */
  refusePromise(): Error {
    return this.#mismatch('it returned a promise, which a synchronous call cannot wait for')
  }

  #check(value: unknown): HostOutcome {
    const { resultTypes } = this.definition
    const [only] = resultTypes
    if (only === undefined || this.isNotify) return { value: undefined, results: [] }
    if (resultTypes.length === 1) {
      if (!fits(only, value)) throw this.#wrong('the result', only, value)
      return { value, results: [value] }
    }
    const count = resultTypes.length
    if (!Array.isArray(value)) throw this.#mismatch(`expected an array of ${count} results, got ${describe(value)}`)
    if (value.length !== count) {
      throw this.#mismatch(`expected an array of ${count} results, got one of ${value.length}`)
    }
    // Each is read once: what is checked here is what the guest gets.
    const results = asList(resultTypes, value)
    resultTypes.forEach((type, index) => {
      if (!fits(type, results[index])) throw this.#wrong(`result[${index}]`, type, results[index])
    })
    return { value: results, results }
  }

  #wrong(place: string, type: ValueTypeName, value: unknown): Error {
    return this.#mismatch(`expected ${place} to be ${expectation(type)}, got ${describe(value)}`)
  }

  #mismatch(text: string): Error {
    const { moduleName, name, paramTypes, resultTypes } = this.definition
    const label = `${renderName(moduleName)}.${renderName(name)}${signatureText(paramTypes, resultTypes)}`
    return new ArgumentError(`host function ${label}: ${text}`)
  }
}

/** Whether a value is of a type; of references only native code knows. */
function fits(type: ValueTypeName, value: unknown): boolean {
  switch (type) {
    case 'i32':
    case 'f32':
    case 'f64':
      return typeof value === 'number'
    case 'i64':
      return typeof value === 'bigint'
    case 'v128':
      return types.isUint8Array(value) && value.length === 16
    default:
      return true
  }
}

function expectation(type: ValueTypeName): string {
  if (type === 'i64') return 'a bigint (i64)'
  return type === 'v128' ? 'a Uint8Array of 16 bytes (v128)' : `a number (${type})`
}
