import type { CompiledModule } from './compiled-module'
import { LinkError, type LinkProblem } from './errors'
import { HostModuleInstance } from './host-module-instance'
import { getExport } from './instance-exports'
import { partsOf } from './linker'
import { Module } from './module'
import { ModuleInstance } from './module-instance'
import { type Binding, native } from './native'
import type { Mode, StoreCore } from './store-core'
import { renderName } from './wasm-frame'

/** A module that others can import from. */
export type Importable = HostModuleInstance | ModuleInstance<any>

/** @internal A module with its imports resolved. */
export interface Link {
  readonly pre: Binding.InstancePre
  /** The modules that it imports from, to tell whether they are still the same. */
  readonly sources: ReadonlyMap<string, Importable>
  /** What native code has only weak references to. */
  readonly callbacks: readonly unknown[]
  /** Whether the instance must be in the store of the named instances. */
  readonly needsShared: boolean
  /** Whether the functions of WASI are defined. */
  readonly wasi: boolean
}

/** @internal Whether a link still holds. */
export function isCurrent(link: Link, modules: ReadonlyMap<string, Importable>, wasi: boolean): boolean {
  if (link.wasi !== wasi) return false
  for (const [name, source] of link.sources) if (modules.get(name) !== source) return false
  return true
}

/**
 * @internal Resolves the imports of a module among the named modules of a runtime.
 *
 * @throws {LinkError} With everything that is missing or does not fit.
 */
export function link(
  engine: Binding.Engine,
  module: CompiledModule,
  modules: ReadonlyMap<string, Importable>,
  mode: Mode,
  wasi: boolean,
): Link {
  const linker = new native.Linker(engine)
  const wanted = new Map<string, Set<string>>()
  for (const { module: from, name } of module.imports) {
    let names = wanted.get(from)
    if (names === undefined) wanted.set(from, (names = new Set()))
    names.add(name)
  }
  const sources = new Map<string, Importable>()
  const callbacks: unknown[] = []
  let needsShared = false
  let shared: StoreCore | undefined
  for (const [from, names] of wanted) {
    const source = modules.get(from)
    if (wasi) defineWasi(linker, from, source)
    if (source === undefined) continue
    sources.set(from, source)
    if (source instanceof HostModuleInstance) {
      const part = HostModuleInstance.link(source, linker, names)
      callbacks.push(...part.callbacks)
      needsShared ||= part.needsShared
      shared ??= part.core
      if (part.needsShared) checkMode(from, source.sharedMode, mode)
    } else {
      const { core, slot } = ModuleInstance.parts(source)
      checkMode(from, source.mode, mode)
      needsShared = true
      shared ??= core
      for (const name of names) {
        const item = getExport(core, slot, name)
        if (item !== undefined) linker.defineExtern(from, name, core.handle, partsOf(item).index)
      }
    }
  }
  try {
    return { pre: linker.instantiatePre(Module.native(module), shared?.handle), sources, callbacks, needsShared, wasi }
  } catch (error) {
    throw explain(error, modules)
  } finally {
    // At once, not when the collector comes: its definitions refer to callbacks, which would wait with it.
    linker.close()
  }
}

/** Defines what a module of WASI has and the module of that name, if there is one, has not. */
function defineWasi(linker: Binding.Linker, from: string, source: Importable | undefined): void {
  const names = native.wasiFunctionNames(from)
  if (names.length === 0) return
  const own = source === undefined ? undefined : ownNames(source)
  linker.defineWasi(from, own === undefined ? undefined : names.filter((name) => !own.has(name)))
}

function ownNames(source: Importable): ReadonlySet<string> {
  return source instanceof HostModuleInstance ? HostModuleInstance.names(source) : ModuleInstance.exportNames(source)
}

/** A store has one mode, and what a module imports must be in its own store. */
function checkMode(from: string, actual: Mode | undefined, wanted: Mode): void {
  if (actual === undefined || actual === wanted) return
  const how = { sync: 'instantiate()', async: 'instantiateAsync()' }
  throw new LinkError(
    `module[${renderName(from)}] is in ${actual} mode, and the module that imports from it in ${wanted} mode: ` +
      `make both with ${how.sync}, or both with ${how.async}`,
  )
}

/** @internal A link error in wazero's words. */
export function explain(error: unknown, modules: ReadonlyMap<string, Importable>): unknown {
  if (!(error instanceof LinkError) || error.problems.length === 0) return error
  const lines = new Set(error.problems.map((problem) => explainProblem(problem, modules)))
  const head = lines.size > 1 ? `${lines.size} imports cannot be linked:\n` : ''
  return new LinkError(head + [...lines].join('\n'), { problems: error.problems, cause: error })
}

/** Types are the same by their declaration; what they look like is not all. */
const declaredDifferently = ', whose type is declared differently (final, supertype or recursion group)'

function explainProblem(problem: LinkProblem, modules: ReadonlyMap<string, Importable>): string {
  const { reason, expected, actual } = problem
  const [module, name] = [renderName(problem.module), renderName(problem.name)]
  if (reason === 'missing') {
    if (modules.has(problem.module)) return `"${name}" is not exported in module "${module}"`
    const isWasi = native.wasiFunctionNames(problem.module).includes(problem.name)
    return `module[${module}] not instantiated${isWasi ? '; the config has no wasi, which would give the guest WASI' : ''}`
  }
  const kind = expected?.split(' ', 1)[0] ?? 'func'
  if (reason === 'mismatch') {
    const [left, right] = [expected, actual].map(signatureKey)
    return left !== undefined && right !== undefined
      ? `import func[${module}.${name}]: signature mismatch: ${left} != ${right}${left === right ? declaredDifferently : ''}`
      : `import ${kind}[${module}.${name}]: type mismatch: ${expected} != ${actual}`
  }
  if (reason === 'wrong-store') return `import ${kind}[${module}.${name}]: it belongs to another store`
  return `import ${kind}[${module}.${name}]: ${actual ?? 'cannot be linked'}`
}

/** wazero's short form of a signature, `i32i64_i32`; `undefined` for what is not a function. */
function signatureKey(text: string | undefined): string | undefined {
  const match = /^func \(([^)]*)\)(?: \(?([^)]*)\)?)?$/.exec(text ?? '')
  if (match === null) return undefined
  const part = (list: string | undefined) => list?.replaceAll(',', '') || 'null'
  return `${part(match[1])}_${part(match[2])}`
}
