// The host process: a utility process of Electron, where plugins run. If one should bring it down, the app goes on.

import { PluginHost } from '../host/plugin-host.mjs'
import { serve } from '../host/serve.mjs'

const { parentPort } = process
const host = new PluginHost({ log: (plugin, line) => console.log(JSON.stringify({ plugin, line })) })

serve(
  {
    post: (reply) => parentPort.postMessage(reply),
    onMessage: (listener) => void parentPort.on('message', ({ data }) => listener(data)),
  },
  host,
)
