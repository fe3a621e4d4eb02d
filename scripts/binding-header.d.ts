/* eslint-disable */
/** A store, seen from JavaScript: an external value that only the addon can read. */
export interface StoreHandle {
  readonly __store: unique symbol
}
