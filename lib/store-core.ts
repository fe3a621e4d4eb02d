import type { Global } from './global'
import type { Listening } from './listening'
import { type GrowRequest, type Limits, type Usage, nativeLimits } from './limits'
import type { Memory } from './memory'
import { type Binding, type StoreHandle, native } from './native'
import { Schedule } from './schedule'
import type { Table } from './table'
import type { Tag } from './tag'
import type { WasiHost } from './wasi-host'

/** A plain array without prototype, so that nothing a program does to `Array.prototype` can get in between. */
function list(): any[] {
  return Object.setPrototypeOf([], null) as any[]
}

/** How the calls of a store run: in sync mode host functions are called on the spot, in async mode they can wait. */
export type Mode = 'sync' | 'async'

/**
 * The JavaScript side of a store. Its `holder` array holds everything that wasm in the store can reach in JavaScript, and
 * whatever can reach the store in JavaScript holds the array: so a cycle through both worlds can be collected, and the
 * native store ends when the array is gone.
 */
export class StoreCore {
  readonly handle: StoreHandle
  /**
   * Read by native code: 0 instances by slot, 1 values of `externref`s, 2 `Func`s by handle. Only kept alive: 3 this
   * object, 4 lists of callbacks, 5 views of memories by handle, 6 memory of
   * native code, 7 nothing as long as the store is open.
   */
  readonly holder: any[]
  /** Of a runtime whose functions have listeners. */
  readonly listening: Listening | undefined
  readonly #engine: Binding.Engine
  #schedule: Schedule | undefined
  #isAsync = false
  /** What its guests have of WASI. */
  wasi: WasiHost | undefined
  /** The objects of handles other than functions. */
  #externs: Map<number, Memory | Global<any> | Table | Tag> | undefined

  /** What native code asks before something grows, if `limits.onGrow` is given. */
  readonly onGrow:
    ((kind: GrowRequest['kind'], current: number, desired: number, maximum: number | undefined) => unknown) | undefined
  readonly limits: Limits | undefined
  /** When the time of all later asynchronous calls is over, on the clock of `lib/stopper.ts`. */
  deadline: number | undefined

  /** @param mode Leave it out if the first use shall decide. */
  constructor(engine: Binding.Engine, mode?: Mode, limits?: Limits, listening?: Listening) {
    this.listening = listening
    this.limits = limits
    const onGrow = limits?.onGrow
    if (onGrow !== undefined) {
      this.onGrow = (kind, current, desired, maximum) => onGrow({ kind, current, desired, maximum })
    }
    this.holder = list()
    this.holder[0] = list()
    this.holder[1] = list()
    this.holder[2] = list()
    this.holder[3] = this
    this.holder[4] = list()
    this.holder[5] = list()
    this.holder[6] = list()
    this.handle = native.storeNew(
      engine,
      this.holder,
      mode === undefined ? undefined : mode === 'async',
      nativeLimits(limits),
    )
    this.#isAsync = mode === 'async'
    this.#engine = engine
  }

  /** Decides the mode, or throws a `LinkError` if it is another one. */
  requireMode(mode: Mode): void {
    native.storeRequireMode(this.handle, mode === 'async')
    this.#isAsync = mode === 'async'
  }

  /** Whether it is in async mode. */
  get isAsync(): boolean {
    return this.#isAsync
  }

  get mode(): Mode | 'undecided' {
    return native.storeMode(this.handle) as Mode | 'undecided'
  }

  /** The asynchronous calls of the store. */
  get schedule(): Schedule {
    return (this.#schedule ??= new Schedule())
  }

  get engine(): Binding.Engine {
    return this.#engine
  }

  /** What the store has taken. */
  get usage(): Usage {
    return native.storeUsage(this.handle) as Usage
  }

  get fuel(): bigint {
    return native.storeFuel(this.handle)
  }

  set fuel(fuel: bigint) {
    native.storeSetFuel(this.handle, fuel)
  }

  get closed(): boolean {
    return native.storeIsClosed(this.handle)
  }

  /** The slot that the next instance will have. */
  get nextSlot(): number {
    return this.holder[0].length as number
  }

  /** The object that host functions get for the instance in a slot. */
  instanceAt(slot: number): object | undefined {
    return this.holder[0][slot] as object | undefined
  }

  /** What an instance had been closed with when the store ended, if the store had several. */
  exitCodeAtEnd(slot: number): number | undefined {
    return (this.holder[7] as readonly number[] | undefined)?.[slot]
  }

  /** Keeps callbacks alive as long as the store. */
  keep(callbacks: readonly unknown[]): void {
    const lists = this.holder[4] as unknown[]
    const { length } = lists
    if (callbacks.length > 0 && lists[length - 1] !== callbacks) lists[length] = callbacks
  }

  /** The object of another handle, the same one every time. */
  extern<T extends Memory | Global<any> | Table | Tag>(index: number, make: (index: number) => T): T {
    const known = this.#externs?.get(index)
    if (known !== undefined) return known as T
    const made = make(index)
    this.#externs ??= new Map()
    this.#externs.set(index, made)
    return made
  }

  close(exitCode?: number): void {
    native.storeClose(this.handle, exitCode)
    this.wasi?.release()
  }
}
