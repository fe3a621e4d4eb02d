// Reads the file of a plugin. What is in the folder may be anything.

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { UnfitError } from './unfit-error.mjs'

// Opening a FIFO waits for somebody who writes to it, otherwise. Windows has no such files, and no such flag.
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/**
 * @param {string} path
 * @param {number} maxBytes
 * @returns {Promise<Uint8Array>}
 * @throws {UnfitError} If it is no regular file, or a larger one.
 */
export async function readPluginFile(path, maxBytes) {
  const file = await open(path, FLAGS)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw new UnfitError('a plugin is a regular file')
    // Before it is read: memory for it is not there yet.
    if (stats.size > maxBytes) throw new UnfitError(`a plugin may have ${maxBytes} bytes, and has ${stats.size}`)
    const bytes = Buffer.alloc(stats.size)
    let size = 0
    // What is appended meanwhile is left alone: the folder tells of it, and the file is read again.
    while (size < bytes.length) {
      const { bytesRead } = await file.read(bytes, size, bytes.length - size, size)
      if (bytesRead === 0) break
      size += bytesRead
    }
    return bytes.subarray(0, size)
  } finally {
    await file.close()
  }
}
