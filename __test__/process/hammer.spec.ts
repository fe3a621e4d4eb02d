import { spawn } from 'node:child_process'

import test from 'ava'

import { root } from './run-node.ts'

// By a variable, because TypeScript would want declarations of it.
const tool = new URL('../../scripts/lib/module-smith.mjs', import.meta.url).href
const { smithIsCurrent } = (await import(tool)) as { smithIsCurrent(): boolean }

/** The parts, those that need modules of `module-smith` last. */
const own = ['sequences', 'mutation', 'workers']
const withModules = ['differential', 'settings']
const MINUTES = '0.06'

/** Seeds that are always the same, and one that is another every day, so that time brings new ones. */
const today = Math.floor(Date.now() / 86_400_000) * 1000

function hammer(
  part: string,
  seed: number,
  more: readonly string[] = [],
): Promise<{ status: number | null; output: string }> {
  const args = ['scripts/hammer.mjs', '--only', part, '--seed', String(seed), '--minutes', MINUTES, ...more]
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, output }))
  })
}

// One after the other: each keeps a processor busy.
for (const part of [...own, ...withModules]) {
  const modules = smithIsCurrent()
  // Without the tool, the parts that have modules of their own use these; the others have nothing to do.
  const run = modules || own.includes(part) ? test.serial : test.serial.skip
  const more = modules ? [] : ['--without-modules']
  for (const [what, seed] of [
    ['a fixed seed', 1],
    ['the seed of the day', today],
  ] as const) {
    run(`random use finds nothing: ${part}, ${what}`, async (t) => {
      t.timeout(300_000)
      const { status, output } = await hammer(part, seed, more)
      t.log(output.trim())
      t.is(status, 0, output)
      t.regex(output, new RegExp(`✓ ${part}: [1-9]\\d* rounds from seed ${seed}, 0 failed`))
    })
  }
}

test('what is not as it should be is reported, with the command that does it again', async (t) => {
  const { status, output } = await hammer('none', 1)
  t.is(status, 2)
  t.regex(output, /expected sequences, .*, but got none/)
})
