import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SetupError, toolEnv } from './project.mjs'

const HOST = '127.0.0.1'

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, HOST, () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

// JSON is YAML. Without `uplinks` and `proxy` the registry has nothing but what was published to it.
const config = (folder) => ({
  storage: join(folder, 'storage'),
  auth: { htpasswd: { file: join(folder, 'htpasswd'), max_users: 1 } },
  uplinks: {},
  packages: { '**': { access: '$all', publish: '$authenticated' } },
  max_body_size: '200mb',
  log: { type: 'stdout', format: 'json', level: 'http' },
})

/**
 * Starts a registry of npm on the loopback interface that knows no other.
 *
 * @param verdaccio - The program.
 * @param folder - Where it keeps its files.
 * @returns `{ url, npmrc, log, stop }`: `npmrc` is what a configuration must say to publish, `log` what was asked for.
 */
export async function startRegistry(verdaccio, folder) {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'config.yaml')
  writeFileSync(file, JSON.stringify(config(folder)))
  const port = await freePort()
  const url = `http://${HOST}:${port}/`
  const child = spawn(process.execPath, [verdaccio, '--config', file, '--listen', `${HOST}:${port}`], {
    cwd: folder,
    env: toolEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (log += text))
  let ended = false
  const exit = new Promise((done) => {
    child.on('error', (error) => done((log += error.message)))
    child.on('close', done)
  }).then(() => (ended = true))
  const stop = async () => {
    child.kill()
    await exit
  }

  try {
    const deadline = Date.now() + 60_000
    while (!(await fetch(`${url}-/ping`).catch(() => undefined))?.ok) {
      if (ended || Date.now() > deadline) throw new SetupError(`the local registry did not start:\n${log.trim()}`)
      await sleep(100)
    }
    const user = { name: 'test', password: 'for this run only', type: 'user' }
    const response = await fetch(`${url}-/user/org.couchdb.user:${user.name}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(user),
    })
    const { token } = await response.json()
    if (!response.ok || !token) throw new SetupError(`the local registry made no user: ${response.status}`)
    return { url, npmrc: `//${HOST}:${port}/:_authToken=${token}\n`, log: () => log, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
