// Which headers pass between clients and plugins of the example server.
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'

import test from 'ava'

import { startWorld } from './support/plugin-service.ts'

/** Node's `fetch` adds headers of its own, and refuses some; this one sends what it is told. */
async function get(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<IncomingMessage & { text: string }> {
  const [response] = (await once(request(url, { headers, agent: false }).end(), 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string
  return Object.assign(response, { text })
}

test('plugins see the headers on the list, and nothing of who the client is', async (t) => {
  const headers = `(module
    (import "host" "request_read" (func $read (param i32 i32 i32) (result i32)))
    (import "host" "response_write" (func $write (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "handle")
      (call $write (i32.const 0) (call $read (i32.const 2) (i32.const 0) (i32.const 65536)))))`
  const { service } = await startWorld(t, { headers })
  const passed = {
    accept: 'text/html',
    'accept-language': 'de',
    'content-type': 'text/plain',
    'content-length': '0',
    'if-none-match': '"a"',
    'if-modified-since': 'Sun, 29 Nov 2026 00:00:00 GMT',
    range: 'bytes=0-1',
    'user-agent': 'test',
  }
  const secret = Object.fromEntries(
    [
      'authorization',
      'cookie',
      'proxy-authorization',
      'x-api-key',
      'x-forwarded-for',
      'x-forwarded-user',
      'x-amzn-oidc-data',
      'cf-access-jwt-assertion',
      'x-plugin-mine',
    ].map((name) => [name, 'secret']),
  )
  const { text } = await get(`${service.url}/headers`, { ...passed, ...secret })
  t.deepEqual(
    Object.fromEntries(
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.split(': ')),
    ),
    passed,
  )
})

/** A plugin that sets one header. */
const setting = (name: string, value: string): string => `(module
  (import "host" "response_header" (func $header (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "${name}")
  (data (i32.const 1000) "${value}")
  (func (export "handle")
    (call $header (i32.const 0) (i32.const ${name.length}) (i32.const 1000) (i32.const ${value.length}))))`

const allowed = {
  'cache-control': 'no-store',
  'content-disposition': 'attachment',
  'content-language': 'de',
  'content-type': 'text/html',
  etag: 'W/1',
  expires: '0',
  'last-modified': 'Sun, 29 Nov 2026 00:00:00 GMT',
  location: '/elsewhere',
  'retry-after': '1',
  vary: 'accept',
  'x-plugin-mine': 'yes',
  'X-Plugin-Mine': 'yes',
}

const refused = [
  'set-cookie',
  'Set-Cookie',
  'strict-transport-security',
  'clear-site-data',
  'content-security-policy',
  'x-content-type-options',
  'x-request-id',
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'service-worker-allowed',
  'refresh',
  'link',
  'alt-svc',
  'content-encoding',
  'content-length',
  'transfer-encoding',
  'connection',
  'www-authenticate',
  'x-accel-redirect',
  'x-sendfile',
  'x-plugin',
]

test('plugins set headers about their answer, and none that hold for the whole server', async (t) => {
  const plugins = Object.fromEntries([
    ...Object.entries(allowed).map(([name, value], index) => [`a${index}`, setting(name, value)] as const),
    ...refused.map((name, index) => [`r${index}`, setting(name, 'x')] as const),
  ])
  const { service } = await startWorld(t, plugins)
  for (const [index, [name, value]] of Object.entries(allowed).entries()) {
    const { statusCode, headers } = await get(`${service.url}/a${index}`)
    t.is(statusCode, 200, name)
    t.is(headers[name.toLowerCase()], value, name)
    t.is(headers['content-security-policy'], 'sandbox', name)
    t.is(headers['x-content-type-options'], 'nosniff', name)
  }
  for (const [index, name] of refused.entries()) {
    const { statusCode, text, headers } = await get(`${service.url}/r${index}`)
    t.is(statusCode, 500, name)
    t.is((JSON.parse(text) as { error: string }).error, 'misuse', name)
    t.is(headers['content-security-policy'], 'sandbox', name)
    t.is(headers['x-content-type-options'], 'nosniff', name)
  }
})
