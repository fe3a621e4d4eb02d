import type { Writable } from 'node:stream'
import type { WritableStream, WritableStreamDefaultWriter } from 'node:stream/web'

import { WasmtimeError } from './errors'
import type { Mode } from './store-core'
import { type WasiOutput, isWritable, isWritableStream } from './wasi-options'

/** @internal Takes what a guest writes. */
export interface OutputSink {
  /** Takes a piece; a promise is one that the guest shall wait for. Throws what has gone wrong with the stream. */
  write(chunk: Buffer): unknown
  /** Resolves when all is written, and is rejected with what has gone wrong. */
  finish(): Promise<void>
  /** Throws what has gone wrong. */
  check(): void
  /** Lets go of the stream, which stays open: it is its owner's to end. */
  release(): void
}

/** @internal What leads from a guest to a stream or a callback; `undefined` for what native code does alone. */
export function makeSink(output: WasiOutput, mode: Mode): OutputSink | undefined {
  if (typeof output === 'string') return undefined
  if (typeof output === 'function') return new CallbackSink(output)
  if (isWritable(output)) return new WritableSink(output, mode)
  return isWritableStream(output) ? new WritableStreamSink(output, mode) : undefined
}

class CallbackSink implements OutputSink {
  readonly #callback: (chunk: Buffer) => unknown

  constructor(callback: (chunk: Buffer) => unknown) {
    this.#callback = callback
  }

  write(chunk: Buffer): unknown {
    const { call } = Function.prototype
    return call.call(this.#callback, undefined, chunk)
  }

  async finish(): Promise<void> {}

  check(): void {}

  release(): void {}
}

/** A reason, which may be any value, even `undefined`. */
interface Failure {
  readonly reason: unknown
}

abstract class StreamSink implements OutputSink {
  protected readonly mode: Mode
  #failure: Failure | undefined
  /** Pieces that the stream has not confirmed. */
  #pending = 0
  /** Continue when something changes. */
  #waiting: (() => void)[] = []
  #released = false
  #gone = false

  constructor(mode: Mode) {
    this.mode = mode
  }

  abstract write(chunk: Buffer): unknown
  protected abstract letGo(): void

  check(): void {
    if (this.#failure !== undefined) throw this.#failure.reason
  }

  async finish(): Promise<void> {
    while (this.#failure === undefined && this.#pending > 0) await this.change()
    this.check()
  }

  protected begin(): void {
    this.#pending += 1
  }

  protected end(): void {
    this.#pending -= 1
    this.changed()
    if (this.#released) this.#leave()
  }

  /** At once, or when the stream has confirmed everything: its error would be nobody's before. */
  release(): void {
    if (this.#released) return
    this.#released = true
    this.#leave()
  }

  #leave(): void {
    if (this.#pending > 0) return
    this.#gone = true
    this.letGo()
  }

  protected fail(reason: unknown): void {
    // Of a stream that was let go of that is no failure.
    if (this.#gone) return
    this.#failure ??= { reason }
    this.changed()
  }

  protected change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  protected changed(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}

class WritableSink extends StreamSink {
  readonly #stream: Writable
  readonly #onError = (error: unknown) => this.fail(error)
  readonly #onClose = () => this.fail(closed())
  readonly #onDrain = () => this.changed()

  constructor(stream: Writable, mode: Mode) {
    super(mode)
    this.#stream = stream
    stream.on('error', this.#onError)
    stream.on('close', this.#onClose)
    stream.on('drain', this.#onDrain)
    if (stream.destroyed) this.fail(stream.errored ?? closed())
    else if (stream.writableEnded) this.fail(closed())
  }

  write(chunk: Buffer): unknown {
    this.check()
    this.begin()
    const room = this.#stream.write(chunk, (error) => {
      if (error) this.fail(error)
      this.end()
    })
    return room || this.mode === 'sync' ? undefined : this.#drained()
  }

  protected letGo(): void {
    this.#stream.removeListener('error', this.#onError)
    this.#stream.removeListener('close', this.#onClose)
    this.#stream.removeListener('drain', this.#onDrain)
  }

  async #drained(): Promise<void> {
    do {
      await this.change()
      this.check()
    } while (this.#stream.writableNeedDrain)
  }
}

class WritableStreamSink extends StreamSink {
  readonly #writer: WritableStreamDefaultWriter

  /** @throws {TypeError} If the stream is locked. */
  constructor(stream: WritableStream, mode: Mode) {
    super(mode)
    this.#writer = stream.getWriter()
    this.#writer.closed.then(
      () => this.fail(closed()),
      (error) => this.fail(error),
    )
  }

  write(chunk: Buffer): unknown {
    this.check()
    this.begin()
    this.#writer.write(chunk).then(
      () => this.end(),
      (error) => {
        this.fail(error)
        this.end()
      },
    )
    return this.mode === 'sync' || (this.#writer.desiredSize ?? 0) > 0 ? undefined : this.#writer.ready
  }

  protected letGo(): void {
    this.#writer.releaseLock()
  }
}

function closed(): WasmtimeError {
  return new WasmtimeError('HOST_FAILURE', 'the stream that a guest writes to was closed before the guest had ended')
}
