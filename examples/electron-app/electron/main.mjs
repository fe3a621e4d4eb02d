// The main process: a window, and a broker between it and the host process. No plugin runs here.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { BrowserWindow, app, session } from 'electron/main'
import { HostBroker } from '../host/broker.mjs'
import { registerIpc } from './ipc.mjs'
import { ORIGIN, registerScheme, servePage } from './page.mjs'
import { startHost } from './start-host.mjs'

/** Plugins that come with the app. */
const OWN = [['text', '../build/text.wasm']]

// Every renderer is in a sandbox of the system, whatever its window says.
app.enableSandbox()
registerScheme()

const broker = new HostBroker(startHost, (name, { message }) => {
  console.error(`the plugin ${name} is lost: ${message}`)
})
app.on('will-quit', () => broker.close())
app.on('child-process-gone', (_, { serviceName, reason, exitCode }) => {
  if (serviceName === 'plugin host') console.error(`the plugin host is gone: ${reason}, ${exitCode}`)
})
app.on('web-contents-created', (_, contents) => {
  // The app shows its own page, and nothing else.
  contents.on('will-navigate', (event) => event.preventDefault())
  contents.on('will-attach-webview', (event) => event.preventDefault())
  contents.setWindowOpenHandler(() => ({ action: 'deny' }))
})
app.on('window-all-closed', () => {
  if (process.platform !== 'darwin') app.quit()
})
app.on('activate', () => {
  if (BrowserWindow.getAllWindows().length === 0) openWindow()
})

await app.whenReady()
servePage()
session.defaultSession.setPermissionRequestHandler((_contents, _permission, decide) => decide(false))
registerIpc(broker)
for (const [name = '', file = ''] of OWN) {
  const result = await broker.loadOwn(name, await readFile(new URL(file, import.meta.url)))
  if (!result.ok) console.error(`the plugin ${name} is not loaded: ${result.error.message}`)
}
openWindow()

function openWindow() {
  const window = new BrowserWindow({
    width: 900,
    height: 640,
    webPreferences: {
      preload: fileURLToPath(new URL('preload.cjs', import.meta.url)),
      // These are the defaults, and what the safety of the app rests on.
      contextIsolation: true,
      nodeIntegration: false,
      sandbox: true,
      webSecurity: true,
    },
  })
  void window.loadURL(`${ORIGIN}/`)
}
