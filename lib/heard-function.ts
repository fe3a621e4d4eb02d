import type { FunctionDefinition } from './function-definition'
import type { FunctionListener } from './function-listener'
import type { Border, Listening } from './listening'
import type { ModuleInstance } from './module-instance'
import { asList, asReceived, decodeStack } from './stack-values'

/** @internal A function of a guest, for a runtime with listeners. */
export class HeardFunction implements Border {
  readonly #listening: Listening
  readonly definition: FunctionDefinition
  readonly listener: FunctionListener | undefined
  readonly module: ModuleInstance<any> | undefined

  constructor(listening: Listening, definition: FunctionDefinition, module: ModuleInstance<any> | undefined) {
    this.#listening = listening
    this.definition = definition
    this.listener = listening.listenerOf(definition)
    this.module = module
  }

  /** The same function as JavaScript calls it. */
  wrap(call: (...args: any[]) => any): (...args: any[]) => any {
    return (...args) => this.call(args, () => call(...args))
  }

  call(args: readonly unknown[], run: () => unknown): unknown {
    const { paramTypes, resultTypes } = this.definition
    return this.#listening.callGuest(this, asReceived(paramTypes, args), run, (value) => asList(resultTypes, value))
  }

  callAsync<T>(args: readonly unknown[], run: () => Promise<T>): Promise<T> {
    const { paramTypes, resultTypes } = this.definition
    return this.#listening.callGuestAsync(this, asReceived(paramTypes, args), run, (value) =>
      asList(resultTypes, value),
    )
  }

  callWithStack(stack: unknown, run: () => void): void {
    const { paramTypes, resultTypes } = this.definition
    const params = stack instanceof BigUint64Array ? decodeStack(paramTypes, stack) : [stack]
    this.#listening.callGuest(this, params, run, () => decodeStack(resultTypes, stack as BigUint64Array))
  }
}
