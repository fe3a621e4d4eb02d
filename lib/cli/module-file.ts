import { readFileSync } from 'node:fs'

import { Engine } from '../engine'
import type { ModuleSource } from '../types'
import { CliError, systemReason } from './failure'

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
  return kind === 'text' ? bytes.toString() : bytes
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
    return readFileSync(path === '-' ? 0 : path)
  } catch (error) {
    throw new CliError(`cannot read ${nameOf(path)}: ${systemReason(error)}`)
  }
}
