import type { ValueTypeLike, ValueTypeName } from './value-type'

/** Type of a function. */
export interface FuncType<
  P extends readonly ValueTypeLike[] = readonly ValueTypeName[],
  R extends readonly ValueTypeLike[] = readonly ValueTypeName[],
> {
  /** Types of the parameters. */
  readonly params: P
  /** Types of the results. */
  readonly results: R
}

/** Limits of a memory, in pages of 64 KiB unless the module says otherwise. */
export interface MemoryType {
  /** Pages that it begins with. */
  readonly minimum: number
  /** Left out if the memory may grow as far as the address type allows. */
  readonly maximum?: number
  /** Whether addresses are i64. */
  readonly is64: boolean
  /** Whether the memory can be shared between threads. */
  readonly shared: boolean
  /** Bytes of a page. */
  readonly pageSize: number
}

/** Type of a global. */
export interface GlobalType {
  /** Type of the value. */
  readonly content: ValueTypeName
  /** Whether the value can be set. */
  readonly mutable: boolean
}

/** Type and limits of a table, in elements. */
export interface TableType {
  /** Type of the elements. */
  readonly element: ValueTypeName
  /** Elements that it begins with. */
  readonly minimum: number
  /** Left out if the table may grow without a limit of its own. */
  readonly maximum?: number
  /** Whether indexes are i64. */
  readonly is64: boolean
}

/** Type of a tag. */
export interface TagType {
  /** Types of the values that its exceptions carry. */
  readonly params: readonly ValueTypeName[]
}

/** Type of something that a module imports or exports. */
export type ExternTypeDescription =
  | ({ readonly kind: 'func' } & FuncType)
  | ({ readonly kind: 'memory' } & MemoryType)
  | ({ readonly kind: 'global' } & GlobalType)
  | ({ readonly kind: 'table' } & TableType)
  | ({ readonly kind: 'tag' } & FuncType)

/** An import of a module. */
export interface ModuleImport {
  /** Name of the module that it is imported from. */
  readonly module: string
  /** Name within that module. */
  readonly name: string
  /** What it must be, and its type. */
  readonly type: ExternTypeDescription
}

/** An export of a module. */
export interface ModuleExport {
  /** Name of the export. */
  readonly name: string
  /** What it is, and its type. */
  readonly type: ExternTypeDescription
}

/** A custom section of a module. */
export interface CustomSection {
  /** Name of the section; several may have the same. */
  readonly name: string
  /** A copy of the section's bytes. */
  readonly data: Uint8Array
}

/** Where a module comes from: the binary format in any buffer, or WAT text. */
export type ModuleSource = Uint8Array | ArrayBufferView | ArrayBuffer | string
