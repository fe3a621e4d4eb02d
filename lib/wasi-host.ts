import { type Binding, native } from './native'
import type { Mode, StoreCore } from './store-core'
import { InputPump } from './wasi-input'
import { type CheckedWasi, isPieces } from './wasi-options'
import { type OutputSink, makeSink } from './wasi-output'

/** What a guest has written, where its output is kept in a `'buffer'`. */
export interface WasiBuffers {
  /** What it has written to its standard output since this was called last. */
  takeStdout(): Buffer
  /** What it has written to its standard error since this was called last. */
  takeStderr(): Buffer
}

/** The JavaScript side of one store's WASI. */
export class WasiHost implements WasiBuffers {
  readonly #native: Binding.Wasi
  readonly #pump: InputPump | undefined
  #stdout: OutputSink | undefined
  #stderr: OutputSink | undefined
  readonly #mode: Mode
  readonly #outputs: Pick<CheckedWasi, 'stdout' | 'stderr'>
  #written: { readonly stdout: Buffer; readonly stderr: Buffer } | undefined

  /** @internal @throws {ArgumentError} If a directory cannot be opened, or the input needs another mode. */
  constructor(options: CheckedWasi, mode: Mode) {
    const { stdout, stderr, stdin, ...rest } = options
    const pieces = isPieces(stdin, mode)
    const config: Binding.WasiConfig = {
      args: [...rest.args],
      env: [...rest.env],
      preopens: [...rest.preopens],
      stdin: typeof stdin === 'string' ? stdin : pieces ? 'pieces' : 'bytes',
      stdout: typeof stdout === 'string' ? stdout : 'pieces',
      stderr: typeof stderr === 'string' ? stderr : 'pieces',
      stdoutLimit: rest.stdoutLimit,
      stderrLimit: rest.stderrLimit,
      isAsync: mode === 'async',
    }
    if (typeof stdin !== 'string' && !pieces) config.stdinBytes = stdin as Uint8Array
    if (rest.fixedClock !== undefined) config.fixedClock = [...rest.fixedClock]
    if (rest.seed !== undefined) config.seed = [...rest.seed]
    this.#native = new native.Wasi(config)
    if (pieces) this.#pump = new InputPump(this.#native, stdin)
    this.#mode = mode
    this.#outputs = { stdout, stderr }
  }

  /**
   * Gives it to a store, for life, whose end lets go of the streams, also if this fails.
   *
   * @throws {ArgumentError} If a stream cannot be written to.
   */
  attach(core: StoreCore): void {
    core.wasi = this
    const { stdout, stderr } = this.#outputs
    this.#stdout = makeSink(stdout, this.#mode)
    // A stream can be locked only once.
    this.#stderr = stderr === stdout ? this.#stdout : makeSink(stderr, this.#mode)
    const deliver = (this.#stdout ?? this.#stderr) ? () => this.#deliver() : undefined
    // Native code has only a weak reference.
    core.keep([deliver])
    this.#native.attach(core.handle, deliver)
  }

  takeStdout(): Buffer {
    return this.#native.takeStdout()
  }

  takeStderr(): Buffer {
    return this.#native.takeStderr()
  }

  /** What it has written and nobody has taken; the same every time. */
  get written(): { readonly stdout: Buffer; readonly stderr: Buffer } {
    return (this.#written ??= { stdout: this.takeStdout(), stderr: this.takeStderr() })
  }

  /** What the guest has given `proc_exit`, `undefined` if it has not called it. */
  get exitCode(): number | undefined {
    return this.#native.exitCode ?? undefined
  }

  /** The guest waits for input. */
  feed(): void {
    this.#pump?.feed()
  }

  /** Throws what has gone wrong with a stream. */
  check(): void {
    this.#stdout?.check()
    this.#stderr?.check()
  }

  /** Resolves when the streams have written all. */
  async finish(): Promise<void> {
    await Promise.all([this.#stdout?.finish(), this.#stderr?.finish()])
  }

  /** Lets go of the streams. Idempotent. */
  release(): void {
    this.#pump?.stop()
    this.#stdout?.release()
    this.#stderr?.release()
  }

  /** Takes what the guest has just written. What it returns the guest waits for. */
  #deliver(): unknown {
    const waits: unknown[] = []
    if (this.#stdout !== undefined) write(this.#stdout, this.#native.takeStdout(), waits)
    if (this.#stderr !== undefined) write(this.#stderr, this.#native.takeStderr(), waits)
    return waits.length > 1 ? Promise.all(waits) : waits[0]
  }
}

function write(sink: OutputSink, chunk: Buffer, waits: unknown[]): void {
  if (chunk.length === 0) return
  const result = sink.write(chunk)
  if (result !== undefined) waits.push(result)
}

/** What failed runs have written, by their errors. */
const hosts = new WeakMap<object, WasiHost>()

/** @internal Notes whose output belongs to an error. */
export function noteHost(error: unknown, host: WasiHost | undefined): void {
  if (host !== undefined && typeof error === 'object' && error !== null) hosts.set(error, host)
}

/** @internal */
export function hostOf(error: unknown): WasiHost | undefined {
  return typeof error === 'object' && error !== null ? hosts.get(error) : undefined
}

/**
 * What a program had written before it failed: one that `runCommand` was rejected for, or the start function of an
 * instance with WASI, as far as it is kept in a `'buffer'`.
 *
 * @param error What was thrown.
 * @returns `undefined` if it is not the error of such a program.
 */
export function wasiOutputOf(error: unknown): { readonly stdout: Buffer; readonly stderr: Buffer } | undefined {
  return hostOf(error)?.written
}
