import {
  CompileError,
  type Engine,
  type EngineOptions,
  type Func,
  type Instance,
  Linker,
  LinkError,
  Module,
  Store,
  TrapError,
  WasmException,
} from '../../index.mjs'
import type { Action, Command, Constant, Script } from './script.ts'
import { defineSpectest } from './spectest.ts'
import { trapCodesFor } from './trap-texts.ts'
import {
  type Exact,
  HostReferences,
  exactFrom,
  exactOf,
  isNumeric,
  matches,
  naturalOf,
  needsBits,
  show,
} from './values.ts'

export type Mode = 'sync' | 'async'

/** A command that did not do what it should. */
export interface Failure {
  readonly line: number
  readonly command: string
  readonly message: string
}

/** What came of a file. */
export interface Outcome {
  /** Commands, assertions among them. */
  readonly commands: number
  readonly assertions: number
  /** Assertions that hold. */
  readonly passed: number
  readonly failures: readonly Failure[]
}

/** Results of an action, with their types. */
interface Results {
  readonly types: readonly string[]
  readonly values: readonly Exact[]
}

/** Runs every command of a file of the suite through the public API. */
export class ScriptRunner {
  readonly #engine: Engine
  readonly #mode: Mode
  readonly #store: Store
  readonly #linker: Linker
  readonly #script: Script
  readonly #hosts = new HostReferences()
  readonly #instances = new Map<string, Instance>()
  readonly #definitions = new Map<string, Module>()
  /** The last one, with or without a name. */
  #instance: Instance | undefined
  #definition: Module | undefined

  constructor(engine: Engine, mode: Mode, script: Script, { sharedMemory = false }: EngineOptions = {}) {
    this.#engine = engine
    this.#mode = mode
    this.#script = script
    this.#store = new Store(engine, { mode })
    this.#linker = new Linker(engine)
    // Files register several instances under one name.
    this.#linker.allowShadowing = true
    defineSpectest(this.#linker, this.#store, [], sharedMemory)
  }

  async run(): Promise<Outcome> {
    const failures: Failure[] = []
    let assertions = 0
    let passed = 0
    for (const [index, command] of this.#script.commands.entries()) {
      // What a file keeps must survive a collection, at whatever point it comes.
      if (index % 32 === 31) this.#store.gc()
      const isAssertion = command.type.startsWith('assert_')
      if (isAssertion) assertions += 1
      try {
        await this.#execute(command)
        if (isAssertion) passed += 1
      } catch (error) {
        failures.push({ line: command.line, command: command.type, message: describeError(error) })
      }
    }
    this.#store.close()
    return { commands: this.#script.commands.length, assertions, passed, failures }
  }

  async #execute(command: Command): Promise<void> {
    switch (command.type) {
      case 'module':
        this.#instance = undefined
        this.#setInstance(command.name, await this.#instantiate(this.#compile(command.filename)))
        break
      case 'module_definition':
        this.#definition = this.#compile(command.filename)
        if (command.name !== undefined) this.#definitions.set(command.name, this.#definition)
        break
      case 'module_instance': {
        const module = command.module === undefined ? this.#definition : this.#definitions.get(command.module)
        if (module === undefined) throw new Error(`there is no module ${command.module ?? ''}`)
        this.#setInstance(command.instance, await this.#instantiate(module))
        break
      }
      case 'register':
        this.#linker.instance(command.as, this.#instanceOf(command.name))
        break
      case 'action':
        await this.#act(command.action, command.line, [])
        break
      case 'assert_return': {
        const { types, values } = await this.#act(command.action, command.line, command.expected)
        const { expected } = command
        if (
          values.length !== expected.length ||
          !expected.every((one, index) => matches(one, types[index] ?? '', values[index], this.#hosts))
        ) {
          throw new Error(`expected ${JSON.stringify(expected)}, got ${types.join(' ')}: ${values.map(show).join(' ')}`)
        }
        break
      }
      case 'assert_trap':
        checkTrap(await failureOf(() => this.#act(command.action, command.line, [])), trapCodesFor(command.text))
        break
      case 'assert_exhaustion':
        checkTrap(await failureOf(() => this.#act(command.action, command.line, [])), ['stack-overflow'])
        break
      case 'assert_exception':
        checkClass(await failureOf(() => this.#act(command.action, command.line, [])), WasmException)
        break
      case 'assert_invalid':
      case 'assert_invalid_custom':
      case 'assert_malformed':
      case 'assert_malformed_custom': {
        const source = this.#script.module(command.filename)
        checkClass(await failureOf(() => Module.validate(this.#engine, source)), CompileError)
        checkClass(await failureOf(() => Module.compileSync(this.#engine, source)), CompileError)
        break
      }
      case 'assert_unlinkable': {
        const module = this.#compile(command.filename)
        checkClass(await failureOf(() => this.#instantiate(module)), LinkError)
        break
      }
      case 'assert_uninstantiable': {
        const module = this.#compile(command.filename)
        checkTrap(await failureOf(() => this.#instantiate(module)), trapCodesFor(command.text))
        break
      }
      default:
        throw new Error(`the runner does not know the command ${(command as { type: string }).type}`)
    }
  }

  #compile(filename: string): Module {
    return Module.compileSync(this.#engine, this.#script.module(filename))
  }

  async #instantiate(module: Module): Promise<Instance> {
    return this.#mode === 'async'
      ? await this.#linker.instantiateAsync(this.#store, module)
      : this.#linker.instantiate(this.#store, module)
  }

  #setInstance(name: string | undefined, instance: Instance): void {
    this.#instance = instance
    if (name !== undefined) this.#instances.set(name, instance)
  }

  #instanceOf(name: string | undefined): Instance {
    const instance = name === undefined ? this.#instance : this.#instances.get(name)
    if (instance === undefined) throw new Error(`there is no instance ${name ?? ''}`)
    return instance
  }

  async #act(action: Action, line: number, expected: readonly Constant[]): Promise<Results> {
    const instance = this.#instanceOf(action.module)
    if (action.type === 'get') {
      const global = instance.getGlobal(action.field)
      if (global === undefined) throw new Error(`there is no global ${action.field}`)
      const { content } = global.type
      return { types: [content], values: [isNumeric(content) ? global.bits : global.value] }
    }
    const func = instance.getFunc(action.field)
    if (func === undefined) throw new Error(`there is no function ${action.field}`)
    const { results } = func.type
    const args = action.args.map((arg) => exactOf(arg, this.#hosts))
    const values = await this.#call(func, args, [...action.args, ...expected].some(needsBits), line)
    return { types: results, values }
  }

  /** Calls in one of the ways that there are, each in its turn, so that the whole suite tries them all. */
  async #call(func: Func, args: readonly Exact[], bits: boolean, line: number): Promise<readonly Exact[]> {
    const { params, results } = func.type
    const way = line % 3
    if (way === 0 && params.every(isNumeric) && results.every(isNumeric)) return callWithStack(func, args)
    // Floats stay bits in `callBits`; all else is natural there, too.
    const exact = bits || way === 1
    const natural = args.map((arg, index) => {
      const type = params[index] ?? ''
      return exact && (type === 'f32' || type === 'f64') ? arg : naturalOf(type, arg)
    })
    let result: unknown
    if (this.#mode === 'async') result = await (exact ? func.callBitsAsync(...natural) : func.callAsync(...natural))
    else result = exact ? func.callBits(...natural) : func.call(...natural)
    const list = results.length === 1 ? [result] : ((result ?? []) as unknown[])
    return list.map((value, index) => exactFrom(results[index] ?? '', value))
  }
}

/** The exact way for numbers and vectors, which has no promise in either mode. */
function callWithStack(func: Func, args: readonly Exact[]): readonly Exact[] {
  const { params, results } = func.type
  const slotsOf = (types: readonly string[]) => types.reduce((sum, type) => sum + (type === 'v128' ? 2 : 1), 0)
  const stack = new BigUint64Array(Math.max(slotsOf(params), slotsOf(results)))
  let place = 0
  for (const [index, arg] of args.entries()) {
    stack[place++] = arg as bigint
    if (params[index] === 'v128') stack[place++] = (arg as bigint) >> 64n
  }
  // A wrong number of arguments would go unnoticed here.
  if (args.length !== params.length) throw new Error(`expected ${params.length} arguments, got ${args.length}`)
  func.callWithStack(stack)
  place = 0
  return results.map((type) => {
    const low = stack[place++] as bigint
    if (type !== 'v128') return low
    return low | ((stack[place++] as bigint) << 64n)
  })
}

async function failureOf(run: () => unknown): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

function checkClass(error: unknown, errorClass: new (...args: any[]) => Error): void {
  if (!(error instanceof errorClass)) throw new Error(`expected a ${errorClass.name}, got ${describeError(error)}`)
}

function checkTrap(error: unknown, codes: readonly string[]): void {
  checkClass(error, TrapError)
  const { trapCode } = error as TrapError
  if (!codes.includes(trapCode)) throw new Error(`expected a trap ${codes.join(' or ')}, got ${describeError(error)}`)
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return show(error)
  const code = error instanceof TrapError ? ` (${error.trapCode})` : ''
  return `${error.name}${code}: ${error.message}`
}
