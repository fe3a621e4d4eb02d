import { native } from './native'

/** Versions of what this package is made of. */
export interface Versions {
  readonly wasmtime: string
  readonly nodeWasmtime: string
  /** Version of Node-API that the addon needs. */
  readonly napi: number
}

/** Versions of what this package is made of. */
export function versions(): Versions {
  const { wasmtime, addon } = native.versions()
  return { wasmtime, nodeWasmtime: addon, napi: 8 }
}
