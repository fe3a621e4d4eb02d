/**
 * Whether views of memories can be had: not where V8 forbids external buffers, as in Electron. The variable of the
 * environment has the addon behave as there; `npm run test:runtimes -- --only cage` runs all tests so.
 */
export const viewsAllowed = process.env['NODE_WASMTIME_NO_EXTERNAL_BUFFERS'] === undefined
