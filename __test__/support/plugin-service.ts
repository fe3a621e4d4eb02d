import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { ExecutionContext } from 'ava'

import { Client } from '../../examples/plugin-server/client.mjs'
import type { Config } from '../../examples/plugin-server/config.mjs'
import { startService } from '../../examples/plugin-server/service.mjs'
import { wat2wasm } from '../../index.mjs'

const built = fileURLToPath(new URL('../../examples/plugin-server/build/', import.meta.url))

/** A line of the service's log. */
export interface Line {
  readonly level: string
  readonly message: string
  readonly [field: string]: unknown
}

/** A service of the example with a folder of its own, on ports that are free. */
export interface World {
  readonly service: Awaited<ReturnType<typeof startService>>
  readonly client: Client
  readonly folder: string
  readonly lines: Line[]
  /** Puts a file in its place at once, as a deployment should. */
  put(name: string, content: Uint8Array | string): void
}

/** The plugins are compiled by the set-up; whoever runs a file alone may not have them yet. */
export async function buildPlugins(): Promise<void> {
  const steps = new URL('../../scripts/lib/steps.mjs', import.meta.url).href
  const { buildPlugins } = (await import(steps)) as { buildPlugins(say: (text: string) => void): Promise<string> }
  await buildPlugins(() => {})
}

/**
 * Starts a service, which is stopped at the end of the test.
 *
 * @param plugins Names of the example's plugins, or WAT text by name.
 */
export async function startWorld(
  t: ExecutionContext,
  plugins: Readonly<Record<string, string>>,
  config: Partial<Config> = {},
): Promise<World> {
  t.timeout(120_000)
  const root = mkdtempSync(join(tmpdir(), 'plugin-server-test-'))
  const folder = join(root, 'plugins')
  mkdirSync(folder)
  const put = (name: string, content: Uint8Array | string): void => {
    // The name does not end in .wasm until it is whole.
    const part = join(folder, `${name}.part`)
    writeFileSync(part, content)
    renameSync(part, join(folder, `${name}.wasm`))
  }
  for (const [name, source] of Object.entries(plugins)) {
    if (source.startsWith('(')) put(name, wat2wasm(source))
    else copyFileSync(join(built, `${source}.wasm`), join(folder, `${name}.wasm`))
  }
  const lines: Line[] = []
  const own = {
    folder,
    port: 0,
    adminPort: 0,
    debounceMs: 20,
    graceMs: 5000,
    timeoutMs: 60_000,
    logLevel: 'debug',
  } as const
  const service = await startService({ ...own, ...config }, (line) => lines.push(JSON.parse(line) as Line))
  let stopped: ReturnType<typeof service.stop> | undefined
  const stop = (): ReturnType<typeof service.stop> => (stopped ??= service.stop())
  t.teardown(async () => {
    await stop()
    rmSync(root, { recursive: true })
  })
  return { service: { ...service, stop }, client: new Client(service), folder, lines, put }
}

/** A module that takes hours to compile: the time grows with the square of the number of loops. */
export function slowToCompile(loops = 200_000): Uint8Array {
  return wat2wasm(`(module (func (export "handle") (local i32) ${'(loop (br_if 0 (local.get 0)))'.repeat(loops)}))`)
}
