// Reads a file that the user has chosen as a plugin.

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { CodedError, MAX_MODULE } from './protocol.mjs'

/** Without it, opening a pipe waits until somebody writes to it. Windows has no such flag, and no pipes among its files. */
const { O_NONBLOCK = 0 } = constants

/**
 * @param {string} path
 * @returns {Promise<Uint8Array>}
 */
export async function readPlugin(path) {
  const file = await open(path, constants.O_RDONLY | O_NONBLOCK)
  try {
    const stats = await file.stat()
    // A device or a pipe can be read without an end, whatever its size.
    if (!stats.isFile()) throw new CodedError('BAD_REQUEST', 'a plugin is a file')
    if (stats.size > MAX_MODULE) throw new CodedError('BAD_REQUEST', `a plugin may have ${MAX_MODULE} bytes`)
    // No more than that, even if the file grows meanwhile.
    const bytes = new Uint8Array(stats.size)
    let length = 0
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return bytes.subarray(0, length)
  } finally {
    await file.close()
  }
}
