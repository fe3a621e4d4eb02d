/** A file is no plugin that this server can run. */
export class UnfitError extends Error {
  /** @override */
  name = 'UnfitError'
}
