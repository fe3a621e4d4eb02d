import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A file of the suite, as `tools/spec-suite` lists it. */
export interface SuiteFile {
  /** A version of the specification (`latest`, `v3`, `v2`, `v1`) or a proposal. */
  readonly group: string
  /** Without `.wast`. */
  readonly name: string
  /** Why it could not be read. */
  readonly error?: string
}

/** A lane of a float: its bits as a decimal number, or a pattern. */
export type Float = string | 'nan:canonical' | 'nan:arithmetic'

/** A value, or a pattern that results are compared with. */
export type Constant =
  | { readonly type: 'i32' | 'i64' | 'f32' | 'f64'; readonly value: string }
  | {
      readonly type: 'v128'
      readonly lane_type: 'i8' | 'i16' | 'i32' | 'i64' | 'f32' | 'f64'
      readonly value: readonly string[]
    }
  /** One of several is right. */
  | { readonly type: 'either'; readonly values: readonly Constant[] }
  /** A reference: `'null'`, the number of a host reference, or any reference of the type that is not null. */
  | { readonly type: ReferenceName; readonly value?: string }

export type ReferenceName =
  | 'anyref'
  | 'arrayref'
  | 'eqref'
  | 'exnref'
  | 'externref'
  | 'funcref'
  | 'i31ref'
  | 'nullexnref'
  | 'nullexternref'
  | 'nullfuncref'
  | 'nullref'
  | 'refnull'
  | 'structref'

/** What an action does, and to which instance: the one of that name, or the last. */
export type Action =
  | { readonly type: 'invoke'; readonly module?: string; readonly field: string; readonly args: readonly Constant[] }
  | { readonly type: 'get'; readonly module?: string; readonly field: string }

interface ModuleCommand<T extends string> {
  readonly type: T
  readonly line: number
  readonly filename: string
  readonly module_type: 'binary' | 'text'
}

interface ActionCommand<T extends string> {
  readonly type: T
  readonly line: number
  readonly action: Action
}

export type Command =
  | (ModuleCommand<'module' | 'module_definition'> & { readonly name?: string })
  | { readonly type: 'module_instance'; readonly line: number; readonly instance?: string; readonly module?: string }
  | { readonly type: 'register'; readonly line: number; readonly name?: string; readonly as: string }
  | ActionCommand<'action'>
  | (ActionCommand<'assert_return'> & { readonly expected: readonly Constant[] })
  | (ActionCommand<'assert_trap' | 'assert_exhaustion'> & { readonly text: string })
  | ActionCommand<'assert_exception'>
  | (ModuleCommand<
      | 'assert_invalid'
      | 'assert_invalid_custom'
      | 'assert_malformed'
      | 'assert_malformed_custom'
      | 'assert_uninstantiable'
      | 'assert_unlinkable'
    > & { readonly text: string })

/** The commands of a file, and the modules that they name. */
export interface Script {
  readonly commands: readonly Command[]
  /** Bytes of the binary format, or text. */
  module(filename: string): Uint8Array | string
}

const folder = new URL('../../tools/spec-suite/target/suite/', import.meta.url)

/** Where the suite is, once the tool has written it. */
export const suiteFolder = fileURLToPath(folder)

/** The files of the suite; `undefined` if the tool has not written it. */
export function readIndex(): readonly SuiteFile[] | undefined {
  try {
    const { files } = JSON.parse(readFileSync(new URL('index.json', folder), 'utf8')) as { files: SuiteFile[] }
    return files
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Reads a file of the suite. */
export function readScript(group: string, name: string): Script {
  const { commands, modules } = JSON.parse(readFileSync(new URL(`${group}/${name}.json`, folder), 'utf8')) as {
    commands: Command[]
    modules: Record<string, [offset: number, length: number]>
  }
  const packed = readFileSync(new URL(`${group}/${name}.modules`, folder))
  return {
    commands,
    module(filename) {
      const place = modules[filename]
      if (place === undefined) throw new Error(`there is no module ${filename}`)
      const bytes = new Uint8Array(packed.subarray(place[0], place[0] + place[1]))
      if (!filename.endsWith('.wat')) return bytes
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
      } catch {
        // Text that is not UTF-8 is malformed, which only the bytes can show.
        return bytes
      }
    },
  }
}
