import type { CompiledModule } from './compiled-module'
import { type Importable, type Link, isCurrent, link } from './linking'
import type { Binding } from './native'
import type { Mode } from './store-core'

const MAX_LATEST_LINKS = 16

/** @internal How the modules of a runtime were linked last. */
export class LinkCache {
  readonly #engine: Binding.Engine
  readonly #modules: ReadonlyMap<string, Importable>
  /** Used again as long as the modules that they import from are the same. */
  #links = new WeakMap<CompiledModule, Link>()
  /** The latest of them, which are closed at once when they do not hold any more; the others when they are collected. */
  #latest: Link[] = []

  /** @param modules Those of the runtime, as they are at each time. */
  constructor(engine: Binding.Engine, modules: ReadonlyMap<string, Importable>) {
    this.#engine = engine
    this.#modules = modules
  }

  /** Links a module, or gives what was linked before. */
  link(compiled: CompiledModule, mode: Mode, wasi: boolean): Link {
    const known = this.#links.get(compiled)
    if (known !== undefined && isCurrent(known, this.#modules, wasi)) return known
    const made = link(this.#engine, compiled, this.#modules, mode, wasi)
    // A link into the shared store dies with it; only what any store can use is worth keeping.
    if (made.needsShared) return made
    this.#links.set(compiled, made)
    if (this.#latest.length >= MAX_LATEST_LINKS) this.#latest.shift()
    this.#latest.push(made)
    return made
  }

  /** A link holds the callbacks of the host modules that it was made from. */
  clear(): void {
    for (const { pre } of this.#latest) pre.close()
    this.#latest = []
    this.#links = new WeakMap()
  }
}
