// The end of the host process: takes calls from the broker, and answers each of them.

import { CodedError, plainError } from './protocol.mjs'

/** @import { PluginHost } from './plugin-host.mjs' */
/** @import { Call, Cancel, Reply, Result } from './protocol.mjs' */

/**
 * What connects it to the broker: `process.parentPort` in a utility process.
 *
 * @typedef {object} Port
 * @property {(reply: Reply) => void} post
 * @property {(listener: (message: unknown) => void) => void} onMessage
 */

/**
 * @param {Port} port
 * @param {PluginHost} host
 */
export function serve(port, host) {
  /** Calls that are under way. @type {Map<number, AbortController>} */
  const calls = new Map()
  port.onMessage((message) => {
    // From the app's own main process, which checks what it passes on.
    const request = /** @type {Call | Cancel} */ (message)
    if ('cancel' in request) {
      calls.get(request.cancel)?.abort(new CodedError('ABORTED', 'the call was cancelled'))
      return
    }
    const { id, method, args } = request
    const controller = new AbortController()
    calls.set(id, controller)
    void answer(() => dispatch(host, method, args, controller.signal)).then((result) => {
      calls.delete(id)
      port.post({ id, result })
    })
  })
}

/** @param {() => unknown} run @returns {Promise<Result>} */
async function answer(run) {
  try {
    return { ok: true, value: await run() }
  } catch (error) {
    return { ok: false, error: plainError(error) }
  }
}

/**
 * @param {PluginHost} host
 * @param {string} method
 * @param {unknown[]} args
 * @param {AbortSignal} signal
 */
function dispatch(host, method, args, signal) {
  switch (method) {
    case 'load':
      return host.load(args[0], args[1])
    case 'list':
      return host.list()
    case 'run':
      return host.run(args[0], args[1], args[2], args[3], signal)
    case 'unload':
      return host.unload(args[0])
    default:
      throw new CodedError('BAD_REQUEST', 'there is no such method')
  }
}
