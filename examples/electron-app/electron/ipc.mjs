// What the renderer may ask. Each message is checked twice: who sent it, and what is in it.

import { basename, extname } from 'node:path'
import { BrowserWindow, dialog, ipcMain } from 'electron/main'
import { readPlugin } from '../host/plugin-file.mjs'
import {
  CodedError,
  checkFunction,
  checkId,
  checkName,
  checkText,
  checkTimeout,
  plainError,
} from '../host/protocol.mjs'
import { ORIGIN } from './page.mjs'

/** @import { IpcMainInvokeEvent, WebContents } from 'electron/main' */
/** @import { HostBroker } from '../host/broker.mjs' */
/** @import { Result } from '../host/protocol.mjs' */

/** @param {HostBroker} broker */
export function registerIpc(broker) {
  /** Calls that are under way, of each sender by its ids. @type {WeakMap<WebContents, Map<number, AbortController>>} */
  const senders = new WeakMap()

  /** @param {WebContents} sender */
  const callsOf = (sender) => {
    const known = senders.get(sender)
    if (known !== undefined) return known
    /** @type {Map<number, AbortController>} */
    const calls = new Map()
    senders.set(sender, calls)
    // A window that is closed, or shows another page, waits for nothing.
    const abortAll = () => calls.forEach((controller) => controller.abort())
    sender.on('destroyed', abortAll).on('did-start-navigation', abortAll)
    return calls
  }

  handle('plugins:list', () => broker.list())
  handle('plugins:load', (event) => load(broker, event))
  handle('plugins:unload', (_, name) => broker.unload(checkName(name)))
  handle('plugins:run', async ({ sender }, id, name, functionName, text, timeoutMs) => {
    const calls = callsOf(sender)
    const key = checkId(id)
    if (calls.has(key)) throw new CodedError('BAD_REQUEST', 'that id is in use')
    const args = /** @type {const} */ ([checkName(name), checkFunction(functionName), checkText(text)])
    const controller = new AbortController()
    calls.set(key, controller)
    try {
      return await broker.run(...args, checkTimeout(timeoutMs), controller.signal)
    } finally {
      calls.delete(key)
    }
  })
  handle('plugins:cancel', ({ sender }, id) => {
    callsOf(sender).get(checkId(id))?.abort()
    return Promise.resolve({ ok: true, value: undefined })
  })
}

/**
 * @param {string} channel
 * @param {(event: IpcMainInvokeEvent, ...args: unknown[]) => Promise<Result>} run
 */
function handle(channel, run) {
  ipcMain.handle(channel, async (event, ...args) => {
    try {
      if (!isOwnPage(event)) throw new CodedError('BAD_REQUEST', 'the sender is not a page of the app')
      return await run(event, ...args)
    } catch (error) {
      // Electron would pass on the message only, with the channel's name before it.
      return { ok: false, error: plainError(error) }
    }
  })
}

/** Frames within the page, and pages from elsewhere, have no say. @param {IpcMainInvokeEvent} event */
function isOwnPage({ sender, senderFrame }) {
  return senderFrame !== null && senderFrame === sender.mainFrame && senderFrame.origin === ORIGIN
}

/**
 * The user chooses the file, in a dialog of the system: the renderer can name no path.
 *
 * @param {HostBroker} broker
 * @param {IpcMainInvokeEvent} event
 * @returns {Promise<Result>}
 */
async function load(broker, event) {
  const window = BrowserWindow.fromWebContents(event.sender)
  if (window === null) throw new CodedError('BAD_REQUEST', 'the sender has no window')
  const { filePaths } = await dialog.showOpenDialog(window, {
    properties: ['openFile'],
    filters: [{ name: 'Plugins', extensions: ['wasm'] }],
  })
  const [path] = filePaths
  if (path === undefined) return { ok: true, value: undefined }
  const bytes = await readPlugin(path)
  const name = basename(path, extname(path))
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  return broker.load(checkName(name.slice(0, 64)), bytes)
}
