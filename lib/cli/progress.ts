import { fstatSync } from 'node:fs'
import type * as Tty from 'node:tty'

import { now } from '../stopper'
import { renderName } from '../wasm-frame'
import { STDERR, writeAll } from './output'
import { sizeText } from './quantity'

/** What takes less time is not worth a line. */
const PATIENCE = 300
const INTERVAL = 100
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const ERASE = '\r\x1b[K'

/** Whether somebody looks at standard error. */
export function isWatched(): boolean {
  try {
    // Most often it is a file or a pipe, and then the module, which takes a while to load, is not needed.
    if (!fstatSync(STDERR).isCharacterDevice()) return false
  } catch {
    return false
  }
  const { isatty } = require('node:tty') as typeof Tty
  return isatty(STDERR)
}

/**
 * Waits for something that happens on other threads, and shows on a terminal that it goes on.
 *
 * @param what Such as `compiling x.wasm`.
 * @param bytes Size of the module.
 */
export async function withProgress<T>(what: string, bytes: number, work: Promise<T>): Promise<T> {
  if (!isWatched()) return await work
  const began = now()
  let frame = 0
  const show = (): void => {
    const seconds = ((now() - began) / 1000).toFixed(1)
    writeAll(STDERR, `${ERASE}${FRAMES[frame++ % FRAMES.length]} ${renderName(what)} (${sizeText(bytes)}) ${seconds} s`)
  }
  let timer = setTimeout(() => {
    show()
    timer = setInterval(show, INTERVAL)
  }, PATIENCE)
  try {
    return await work
  } finally {
    clearTimeout(timer)
    if (frame > 0) writeAll(STDERR, ERASE)
  }
}
