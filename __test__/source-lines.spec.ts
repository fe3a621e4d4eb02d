import test from 'ava'

import wasmtime from '../index.js'

import { thrownBy } from './support/wat.ts'

const { Engine, Linker, Module, Store, TrapError } = wasmtime

const u16 = (value: number) => [value & 255, value >>> 8]
const u32 = (value: number) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24]
const text = (value: string) => [...Buffer.from(`${value}\0`)]
const sized = (body: number[]) => [...u32(body.length), ...body]

function customSection(name: string, data: number[]): number[] {
  const content = [name.length, ...Buffer.from(name), ...data]
  // A LEB128 number padded to two bytes.
  return [0, (content.length & 127) | 128, content.length >>> 7, ...content]
}

/**
 * DWARF 4 that says: `length` bytes of code from `address` on, counted from the beginning of the code section's content,
 * are line 42, column 7 of hello.c.
 */
function dwarf(address: number, length: number): number[] {
  const abbreviations = [1, 0x11, 0, 0x03, 0x08, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0x1b, 0x08, 0, 0, 0]
  const unit = [1, ...text('hello.c'), ...u32(0), ...u32(address), ...u32(length), ...text('/src')]
  const info = sized([...u16(4), ...u32(0), 4, ...unit])
  const header = [1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, ...text('hello.c'), 0, 0, 0, 0]
  const program = [0, 5, 2, ...u32(address), 3, 41, 5, 7, 1, 2, length, 0, 1, 1]
  const line = sized([...u16(4), ...u32(header.length), ...header, ...program])
  return [
    ...customSection('.debug_abbrev', abbreviations),
    ...customSection('.debug_info', info),
    ...customSection('.debug_line', line),
  ]
}

function trapOf(bytes: Uint8Array): InstanceType<typeof TrapError> {
  const engine = new Engine()
  const instance = new Linker(engine).instantiate(new Store(engine), Module.compileSync(engine, bytes))
  return thrownBy(() => instance.exports['f']()) as InstanceType<typeof TrapError>
}

const plain = wasmtime.wat2wasm('(module $hello (func $f (export "f") nop nop unreachable))')

test('a module with DWARF shows file, line and column', (t) => {
  const error = trapOf(Uint8Array.from([...plain, ...dwarf(2, 10)]))
  t.true(error instanceof TrapError)
  const [frame] = error.frames
  t.regex(frame?.file ?? '', /hello\.c$/)
  t.is(frame?.line, 42)
  t.is(frame?.column, 7)
  t.is(frame?.functionName, 'f')
  t.regex(error.message, /\n\thello\.f\(\) \(.*hello\.c:42:7\)$/)
})

test('a module without DWARF shows the offset in the module', (t) => {
  const error = trapOf(plain)
  const [frame] = error.frames
  t.is(plain[frame?.moduleOffset ?? 0], 0, 'it is that of the unreachable instruction')
  t.false(frame !== undefined && 'file' in frame && frame.file != null)
  t.regex(error.message, /\n\thello\.f\(\) \(at 0x[0-9a-f]+\)$/)
})

test('DWARF that is nonsense does no harm', (t) => {
  const good = dwarf(2, 10)
  for (let place = 0; place < good.length; place += 3) {
    const bad = [...good]
    bad[place] = (bad[place] as number) ^ 0xff
    let error: unknown
    try {
      error = trapOf(Uint8Array.from([...plain, ...bad]))
    } catch (invalid) {
      error = invalid
    }
    t.true(error instanceof TrapError || error instanceof wasmtime.CompileError, `${place} ${String(error)}`)
  }
})
