// The short form of the load test: no request fails, and nothing is left. Its figures are not judged here.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import test from 'ava'

import { buildPlugins } from './support/plugin-service.ts'

test.before(buildPlugins)

test('under load no request of the plugin server fails, and afterwards nothing is left', async (t) => {
  t.timeout(120_000)
  const script = fileURLToPath(new URL('../scripts/load-test.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, '--quick'], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 110_000 })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = (await once(child, 'close')) as [number | null]
  t.is(code, 0, output)
  for (const name of ['bare server of Node', 'plugin "hello"', 'plugin that computes', '5 % of requests trap']) {
    t.regex(output, new RegExp(`^${name}\n  warm: .*\n  1: [1-9]\\d* requests/s, .* 0 instances$`, 'm'))
  }
  t.regex(output, /no request has failed, and nothing is left\n$/)
})
