import type { FunctionCall, FunctionDefinition, FunctionListener, FunctionListenerFactory } from '../../index.mjs'

export type Event =
  | readonly ['before', call: FunctionCall]
  | readonly ['after', call: FunctionCall, results: readonly unknown[]]
  | readonly ['abort', call: FunctionCall, error: unknown]

/** A factory that notes all events, and can be told to throw. */
export class Recorder implements FunctionListenerFactory {
  readonly events: Event[] = []
  readonly asked: FunctionDefinition[] = []
  readonly #wanted: (definition: FunctionDefinition) => boolean
  /** Runs in the listener, after the event was noted. */
  react: (event: Event) => void = () => {}

  constructor(wanted: (definition: FunctionDefinition) => boolean = () => true) {
    this.#wanted = wanted
  }

  newFunctionListener(definition: FunctionDefinition): FunctionListener | undefined {
    this.asked.push(definition)
    if (!this.#wanted(definition)) return undefined
    const note = (event: Event): void => {
      this.events.push(event)
      this.react(event)
    }
    return {
      before: (call) => note(['before', call]),
      after: (call, results) => note(['after', call, results]),
      abort: (call, error) => note(['abort', call, error]),
    }
  }

  /** The events as text: depth, kind, name and values. */
  get text(): string[] {
    return this.events.map((event) => {
      const [kind, call] = event
      const name = call.definition.exportNames[0] ?? call.definition.name
      const values =
        kind === 'before' ? call.params : kind === 'after' ? event[2] : [String(event[2]).split('\n', 1)[0]]
      return `${call.depth} ${kind} ${name} ${values.map(String).join(' ')}`.trimEnd()
    })
  }

  /** What is wrong with the pairs: every call that has begun ends once. */
  get unpaired(): string[] {
    const ends = new Map<FunctionCall, number>()
    for (const [kind, call] of this.events) {
      if (kind === 'before') ends.set(call, 0)
      else ends.set(call, (ends.get(call) ?? 1) + 1)
    }
    return [...ends].filter(([, count]) => count !== 1).map(([call, count]) => `${call.definition.debugName}: ${count}`)
  }
}
