import { checkInteger, checkList, checkOptions, checkString } from './call-options'
import { ArgumentError } from './errors'
import { Module } from './module'
import { type Binding, native } from './native'
import type { StoreCore } from './store-core'

/** How guests are profiled. */
export interface ProfilingOptions {
  /** Milliseconds between samples, a whole number; default 1. */
  readonly intervalMs?: number
  /** What the profile is called in the viewer; default `'guest'`. */
  readonly name?: string
  /**
   * Modules to profile that have no instance yet, for example to see their start functions. Those that have one in the store
   * are profiled anyway.
   */
  readonly modules?: readonly Module[]
}

/**
 * A profile of a store's guests, under way since it was made by `startProfiling` of an instance or store. The guest is
 * interrupted at the next loop or function after each interval and its stack noted, whichever thread it computes on. Time in
 * host functions and in waiting has no samples.
 */
export class GuestProfiler {
  readonly #native: Binding.GuestProfiler
  readonly #core: StoreCore

  /** @internal */
  constructor(profiler: Binding.GuestProfiler, core: StoreCore) {
    if (!(profiler instanceof native.GuestProfiler)) {
      throw new ArgumentError('GuestProfiler cannot be constructed; use startProfiling() of an instance or store')
    }
    this.#native = profiler
    this.#core = core
  }

  /**
   * Ends the profile. It works after the store was closed as well, and while a guest computes.
   *
   * @returns The profile in the processed format of Firefox Profiler, JSON as UTF-8: write it to a file, and load that at
   * https://profiler.firefox.com.
   * @throws {ClosedError} If it has been finished before.
   */
  finish(): Uint8Array {
    return this.#native.finish(this.#core.handle)
  }
}

/** @internal */
export function startProfiling(core: StoreCore, options: unknown): GuestProfiler {
  const given = checkOptions(options, 'options', ['intervalMs', 'name', 'modules'])
  const interval = checkInteger(given.intervalMs, 'options.intervalMs', 1, 60_000) ?? 1
  const name = checkString(given.name, 'options.name') ?? 'guest'
  const modules = checkModules(given.modules)
  return new GuestProfiler(native.GuestProfiler.start(core.handle, name, interval, modules), core)
}

function checkModules(modules: unknown): Binding.Module[] {
  if (modules === undefined) return []
  return checkList(modules, 'options.modules', 'modules', 10_000, Module.native)
}
