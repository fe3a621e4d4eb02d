import { describe } from './describe'
import { ArgumentError } from './errors'
import type { FunctionDefinition } from './function-definition'
import type { FunctionCall, FunctionListener, FunctionListenerFactory } from './function-listener'
import { renderName } from './wasm-frame'

/**
 * Logs all calls between host and guest, one line each for the call and its end, nested ones indented by tabs:
 *
 * ```text
 * --> shop.pay(amount=5)
 * 	==> env.charge(amount=5)
 * 	<== ok=1
 * <-- 1
 * ```
 *
 * Host functions have `==>` and `<==`. A call that fails ends with `error: ` and the first line of the message.
 *
 * @param write Gets each line, with its line break: for example `(line) => process.stderr.write(line)`. What it throws comes
 * out of the call.
 */
export function newLoggingListenerFactory(write: (line: string) => void): FunctionListenerFactory {
  checkWrite(write)
  return { newFunctionListener: (definition) => new LoggingListener(write, definition) }
}

/** As {@link newLoggingListenerFactory}, for host functions only. */
export function newHostLoggingListenerFactory(write: (line: string) => void): FunctionListenerFactory {
  checkWrite(write)
  return {
    newFunctionListener: (definition) => (definition.isHost ? new LoggingListener(write, definition) : undefined),
  }
}

function checkWrite(write: unknown): void {
  if (typeof write !== 'function') throw new ArgumentError(`write must be a function, but got ${describe(write)}`)
}

class LoggingListener implements FunctionListener {
  readonly #write: (line: string) => void
  readonly #name: string
  readonly #paramNames: readonly string[]
  readonly #resultNames: readonly string[]
  readonly #enter: string
  readonly #exit: string

  constructor(write: (line: string) => void, definition: FunctionDefinition) {
    this.#write = write
    this.#name = renderName(definition.debugName)
    this.#paramNames = definition.paramNames
    this.#resultNames = definition.resultNames
    this.#enter = definition.isHost ? '==>' : '-->'
    this.#exit = definition.isHost ? '<==' : '<--'
  }

  before(call: FunctionCall): void {
    this.#line(call, this.#enter, ` ${this.#name}(${list(call.params, this.#paramNames)})`)
  }

  after(call: FunctionCall, results: readonly unknown[]): void {
    const text = list(results, this.#resultNames)
    this.#line(call, this.#exit, results.length === 0 ? '' : results.length === 1 ? ` ${text}` : ` (${text})`)
  }

  abort(call: FunctionCall, error: unknown): void {
    this.#line(call, this.#exit, ` error: ${errorText(error)}`)
  }

  #line(call: FunctionCall, arrow: string, text: string): void {
    const write = this.#write
    write(`${'\t'.repeat(call.depth)}${arrow}${text}\n`)
  }
}

function list(values: readonly unknown[], names: readonly string[]): string {
  return values
    .map((value, index) => {
      const name = names[index]
      return name === undefined ? valueText(value) : `${renderName(name)}=${valueText(value)}`
    })
    .join(',')
}

/** Numbers as they are, bytes of a vector in hexadecimal, anything else by its kind: a log must run no code of a value. */
function valueText(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return Object.is(value, -0) ? '-0' : String(value)
  if (value === null) return 'null'
  if (value instanceof Uint8Array && value.length === 16) {
    return `0x${Array.from(value, (byte) => byte.toString(16).padStart(2, '0'))
      .toReversed()
      .join('')}`
  }
  return describe(value)
}

function errorText(error: unknown): string {
  try {
    if (error instanceof Error) return renderName(String(error.message).split('\n', 1)[0] ?? '')
  } catch {
    // Its message resists being read.
  }
  return describe(error)
}
