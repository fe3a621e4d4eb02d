import type { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'

import { describe } from './describe'
import { ArgumentError } from './errors'
import type { Binding } from './native'
import type { WasiInputPieces } from './wasi-options'

/** @internal Reads a stream as fast as the guest does. */
export class InputPump {
  readonly #wasi: Binding.Wasi
  readonly #source: WasiInputPieces
  #iterator: AsyncIterator<unknown> | undefined
  #running = false
  #ended = false

  constructor(wasi: Binding.Wasi, source: WasiInputPieces) {
    this.#wasi = wasi
    this.#source = source
  }

  /** The guest waits for something to read. */
  feed(): void {
    if (this.#running || this.#ended) return
    this.#running = true
    void this.#run()
  }

  /** The guest has ended. The stream stays open; what was read of it and not used is lost. */
  stop(): void {
    if (this.#ended) return
    this.#ended = true
    // Of one that is waiting for the stream the promise would be pending until that gives something.
    if (!this.#running) this.#leave()
  }

  async #run(): Promise<void> {
    try {
      this.#iterator ??= iterate(this.#source)
      for (;;) {
        const { done, value } = await this.#iterator.next()
        if (this.#ended) return this.#leave()
        if (done) {
          this.#ended = true
          this.#wasi.endInput()
          return
        }
        if (!this.#wasi.pushInput(bytesOf(value))) break
      }
    } catch (error) {
      if (this.#ended) return
      this.#ended = true
      this.#wasi.failInput(error)
    }
    this.#running = false
  }

  #leave(): void {
    // What it says then concerns nobody.
    Promise.resolve(this.#iterator?.return?.()).catch(() => {})
  }
}

/** An iterator whose end does not end the stream, where there is a way to say so. */
function iterate(source: WasiInputPieces): AsyncIterator<unknown> {
  const { iterator, values } = source as Partial<Readable> & Partial<ReadableStream>
  if (typeof iterator === 'function') return iterator.call(source as Readable, { destroyOnReturn: false })
  if (typeof values === 'function') return values.call(source as ReadableStream, { preventCancel: true })
  return source[Symbol.asyncIterator]()
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof Uint8Array) return value
  throw new ArgumentError(`wasi.stdin must give strings or Uint8Arrays, but gave ${describe(value)}`)
}
