/* eslint-disable */
/** A shared memory, seen from JavaScript: an external value that only the addon can read. */
export interface SharedMemoryHandle {
  readonly __memory: unique symbol
}

/** A store, seen from JavaScript: an external value that only the addon can read. */
export interface StoreHandle {
  readonly __store: unique symbol
}
