// Starts the host process.

import { fileURLToPath } from 'node:url'
import { app, utilityProcess } from 'electron/main'

/** @import { HostProcess } from '../host/broker.mjs' */

/** All that the host process gets of the environment: tokens and the like of the app are none of its business. */
const ENVIRONMENT = ['HOME', 'LANG', 'PATH', 'SystemRoot', 'TEMP', 'TMP', 'TMPDIR']

/** While the app is being developed, another addon can be tried. A packaged app loads no code that its environment names. */
const DEVELOPMENT = [...ENVIRONMENT, 'NAPI_RS_NATIVE_LIBRARY_PATH']

/** @returns {HostProcess} */
export function startHost() {
  const child = utilityProcess.fork(fileURLToPath(new URL('host-process.mjs', import.meta.url)), [], {
    serviceName: 'plugin host',
    env: environment(),
    // On macOS this chooses the helper that may run code which it has made itself, and only that one. Without it, the whole
    // app would need the entitlement.
    allowLoadingUnsignedLibraries: true,
  })
  return {
    post: (message) => child.postMessage(message),
    onMessage: (listener) => void child.on('message', listener),
    onExit: (listener) => void child.on('exit', listener),
    kill: () => void child.kill(),
  }
}

function environment() {
  const names = app.isPackaged ? ENVIRONMENT : DEVELOPMENT
  return Object.fromEntries(names.flatMap((name) => (name in process.env ? [[name, process.env[name]]] : [])))
}
