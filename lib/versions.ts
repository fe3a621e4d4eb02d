import { native } from './native'

/** Versions of what this package is made of. */
export interface Versions {
  /** Version of Wasmtime that is inside, as in `48.0.8`. */
  readonly wasmtime: string
  /** Version of this package. */
  readonly nodeWasmtime: string
  /** Version of Node-API that the addon needs. */
  readonly napi: number
}

/** Versions of what this package is made of. */
export function versions(): Versions {
  const { wasmtime, addon } = native.versions()
  return { wasmtime, nodeWasmtime: addon, napi: 8 }
}
