// The compatibility suite, which `npm run test:runtimes` runs on other runtimes, on this one.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

interface Result {
  readonly ok: boolean
  readonly why: string | undefined
  readonly output: string
}

const { checkNames, runCheck, runProgram } = (await import(
  new URL('../scripts/lib/compat.mjs', import.meta.url).href
)) as {
  checkNames(): string[]
  runCheck(name: string, binary: string, flags: string[]): Promise<Result>
  runProgram(name: string, file: string, binary: string, flags: string[], timeoutMs: number): Promise<Result>
}

/** Processes at once; they are started one after the other, so that ava does not start all of them together. */
const slots = [Promise.resolve(), Promise.resolve()]

for (const [index, name] of checkNames().entries()) {
  test(`the check "${name}" passes as a program of its own`, async (t) => {
    t.timeout(180_000)
    const slot = index % slots.length
    const run = slots[slot]!.then(() => runCheck(name, process.execPath, ['--expose-gc']))
    slots[slot] = run.then(() => {})
    const { ok, why, output } = await run
    t.true(ok, `${why}\n${output}`)
  })
}

test('a check that does not end is ended, also where what it has started holds its pipes', async (t) => {
  t.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'compat-test-'))
  const file = join(folder, 'hangs.mjs')
  const pid = join(folder, 'pid')
  writeFileSync(
    file,
    `import { spawn } from 'node:child_process'
     import { writeFileSync } from 'node:fs'
     const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
     writeFileSync(${JSON.stringify(pid)}, String(child.pid))
     console.log('started')`,
  )
  t.teardown(() => {
    process.kill(Number(readFileSync(pid, 'utf8')), 'SIGKILL')
    rmSync(folder, { recursive: true })
  })
  const { ok, why, output } = await runProgram('hangs', file, process.execPath, [], 5000)
  t.false(ok)
  t.is(why, 'did not end')
  t.is(output, 'started')
})
