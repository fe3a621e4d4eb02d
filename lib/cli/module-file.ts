import { readFileSync, readSync } from 'node:fs'

import { Engine } from '../engine'
import type { ModuleSource } from '../types'
import { wat2wasm } from '../wasm-text'
import { CliError, systemReason } from './failure'
import { waitABit } from './output'

/** A module as it was read. */
export interface ModuleFile {
  /** `text` is WAT; `precompiled` is what `node-wasmtime compile` gives. */
  readonly kind: 'binary' | 'text' | 'precompiled'
  readonly bytes: Buffer
}

/**
 * Reads a file, `-` being standard input. The contents decide what it is, not the name.
 *
 * @throws {CliError} If it cannot be read.
 */
export function readModule(path: string): ModuleFile {
  const bytes = readInput(path)
  if (startsWith(bytes, '\0asm')) return { kind: 'binary', bytes }
  if (startsWith(bytes, '\x7fELF') && Engine.detectPrecompiled(bytes) !== undefined) {
    return { kind: 'precompiled', bytes }
  }
  if (bytes.length === 0) throw new CliError(`${nameOf(path)} is empty`)
  if (isText(bytes)) return { kind: 'text', bytes }
  throw new CliError(`${nameOf(path)} is no WebAssembly module: it is neither in the binary format nor text`)
}

/** The module as the library takes it. */
export function sourceOf({ kind, bytes }: ModuleFile): ModuleSource {
  return kind === 'text' ? textOf(bytes) : bytes
}

/**
 * The module in the binary format.
 *
 * @throws {CompileError} If it is text that is not valid.
 */
export function binaryOf({ kind, bytes }: ModuleFile): Uint8Array {
  return kind === 'text' ? wat2wasm(textOf(bytes)) : bytes
}

/** Without the mark at the beginning that some editors put there, which the text format does not know. */
function textOf(bytes: Buffer): string {
  return new TextDecoder().decode(bytes)
}

/** A module that is to be compiled or looked into, which code for one processor cannot be. */
export function readSource(path: string): ModuleFile {
  const file = readModule(path)
  if (file.kind !== 'precompiled') return file
  throw new CliError(`${path} is precompiled already; this command needs the .wasm file that it was made from`)
}

function startsWith(bytes: Buffer, text: string): boolean {
  return bytes.toString('latin1', 0, text.length) === text
}

function isText(bytes: Buffer): boolean {
  try {
    return !new TextDecoder('utf-8', { fatal: true }).decode(bytes).includes('\0')
  } catch {
    return false
  }
}

/** What messages call it. */
export function nameOf(path: string): string {
  return path === '-' ? 'standard input' : path
}

function readInput(path: string): Buffer {
  try {
    return path === '-' ? readAll(0) : readFileSync(path)
  } catch (error) {
    throw new CliError(`cannot read ${nameOf(path)}: ${systemReason(error)}`)
  }
}

/** Reads to the end, and waits where somebody has made the pipe or terminal one that does not wait. */
function readAll(descriptor: number): Buffer {
  const parts: Buffer[] = []
  for (;;) {
    const part = Buffer.allocUnsafe(65_536)
    const length = readSome(descriptor, part)
    if (length === 0) return Buffer.concat(parts)
    if (length === undefined) waitABit()
    else parts.push(part.subarray(0, length))
  }
}

/** How many bytes have been read, 0 at the end, `undefined` if there are none yet. */
function readSome(descriptor: number, part: Buffer): number | undefined {
  try {
    return readSync(descriptor, part)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EAGAIN') return undefined
    // Windows says so at the end of a pipe.
    if (code === 'EOF') return 0
    throw error
  }
}
