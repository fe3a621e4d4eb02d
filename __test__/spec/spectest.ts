import { Global, type Linker, Memory, SharedMemory, type Store, Table } from '../../index.mjs'

const prints = {
  print: [],
  print_i32: ['i32'],
  print_i64: ['i64'],
  print_f32: ['f32'],
  print_f64: ['f64'],
  print_i32_f32: ['i32', 'f32'],
  print_f64_f64: ['f64', 'f64'],
} as const

/**
 * Defines the module that the suite imports from. What is printed is collected; the shared memory is there only where the
 * engine can make one.
 */
export function defineSpectest(linker: Linker, store: Store, printed: unknown[][], sharedMemory: boolean): void {
  for (const [name, params] of Object.entries(prints)) {
    linker.func('spectest', name, { params, results: [] }, (...args: unknown[]) => void printed.push(args))
  }
  linker.define('spectest', 'global_i32', new Global(store, { content: 'i32' }, 666))
  linker.define('spectest', 'global_i64', new Global(store, { content: 'i64' }, 666n))
  linker.define('spectest', 'global_f32', new Global(store, { content: 'f32' }, 666.6))
  linker.define('spectest', 'global_f64', new Global(store, { content: 'f64' }, 666.6))
  linker.define('spectest', 'table', new Table(store, { element: 'funcref', minimum: 10, maximum: 20 }))
  linker.define('spectest', 'memory', new Memory(store, { minimum: 1, maximum: 2 }))
  if (!sharedMemory) return
  linker.define('spectest', 'shared_memory', new SharedMemory(store.engine, { minimum: 1, maximum: 2 }))
}
