// The app's page, under a scheme of its own: pages from `file:` may do more than one should.

import { readFile } from 'node:fs/promises'
import { protocol } from 'electron/main'

export const ORIGIN = 'app://desk'

/** All files that there are. What is asked for is looked up here and never becomes a path. */
const FILES = new Map([
  ['/', ['index.html', 'text/html']],
  ['/renderer.js', ['renderer.js', 'text/javascript']],
  ['/renderer.css', ['renderer.css', 'text/css']],
])

/** Nothing is loaded from anywhere else, and no script that stands in the page itself is run. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Before the app is ready. */
export function registerScheme() {
  protocol.registerSchemesAsPrivileged([{ scheme: 'app', privileges: { standard: true, secure: true } }])
}

/** When the app is ready. */
export function servePage() {
  protocol.handle('app', async (request) => {
    const { origin, pathname } = splitUrl(request.url)
    const [file, type] = origin === ORIGIN ? (FILES.get(pathname) ?? []) : []
    if (file === undefined || type === undefined) return new Response('not found', { status: 404 })
    const content = await readFile(new URL(`../renderer/${file}`, import.meta.url))
    return new Response(new Uint8Array(content), {
      headers: {
        'content-type': `${type}; charset=utf-8`,
        'content-security-policy': POLICY,
        'x-content-type-options': 'nosniff',
      },
    })
  })
}

/** `URL` gives schemes that it does not know no origin. @param {string} url */
function splitUrl(url) {
  const { protocol, host, pathname } = new URL(url)
  return { origin: `${protocol}//${host}`, pathname }
}
