// Runs in the renderer, before its page, in a world of its own. What it exposes is all that the page can do; in a sandbox
// it is CommonJS, and has a few modules of Electron only.

const { contextBridge, ipcRenderer } = require('electron/renderer')

let nextId = 0

// Functions for single purposes, and never `ipcRenderer` itself: with that, the page could send whatever it likes.
contextBridge.exposeInMainWorld('plugins', {
  list: () => ipcRenderer.invoke('plugins:list'),
  load: () => ipcRenderer.invoke('plugins:load'),
  unload: (/** @type {string} */ name) => ipcRenderer.invoke('plugins:unload', name),
  /**
   * An AbortSignal cannot cross the bridge; a function that cancels can.
   *
   * @param {string} name
   * @param {string} functionName
   * @param {string} text
   * @param {number} timeoutMs
   */
  run: (name, functionName, text, timeoutMs) => {
    const id = nextId++
    return {
      result: ipcRenderer.invoke('plugins:run', id, name, functionName, text, timeoutMs),
      cancel: () => void ipcRenderer.invoke('plugins:cancel', id),
    }
  },
})
