// The body of a request, within a size and a time.

import { StopError } from './outcome.mjs'

/** @import { IncomingMessage } from 'node:http' */

/**
 * @param {IncomingMessage} request
 * @param {{ maxBytes: number, timeoutMs: number }} bounds
 * @returns {Promise<Uint8Array>}
 * @throws {StopError}
 */
export function readBody(request, { maxBytes, timeoutMs }) {
  return new Promise((resolve, reject) => {
    /** @type {Buffer[]} */
    const chunks = []
    let size = 0
    const timer = setTimeout(() => {
      reject(new StopError({ name: 'slow_client', status: 408, message: `the request took more than ${timeoutMs} ms` }))
    }, timeoutMs)
    request.on('data', (/** @type {Buffer} */ chunk) => {
      size += chunk.length
      // What is too long is read to its end all the same, within the time: before that, many clients do not listen.
      if (size <= maxBytes) chunks.push(chunk)
    })
    request.on('end', () => {
      clearTimeout(timer)
      if (size <= maxBytes) resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks))
      else reject(new StopError({ name: 'too_large', status: 413, message: `a request may have ${maxBytes} bytes` }))
    })
    // Also when the client goes away: then there is an error, or only the end of the connection.
    const gone = () => {
      clearTimeout(timer)
      reject(clientGone())
    }
    request.on('error', gone)
    request.on('close', () => {
      if (!request.complete) gone()
    })
  })
}

/** nginx calls it 499. Nobody gets it but metrics and logs. */
export function clientGone() {
  return new StopError({ name: 'client_gone', status: 0, message: 'the client has left' })
}
