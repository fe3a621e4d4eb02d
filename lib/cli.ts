/** The command line, as `bin/node-wasmtime.js` starts it. */
export { main } from './cli/main'
