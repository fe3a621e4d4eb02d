// The compatibility suite, which `npm run test:runtimes` runs on other runtimes, on this one.
import test from 'ava'

const { checkNames, runCheck } = (await import(new URL('../scripts/lib/compat.mjs', import.meta.url).href)) as {
  checkNames(): string[]
  runCheck(
    name: string,
    binary: string,
    flags: string[],
  ): Promise<{ ok: boolean; why: string | undefined; output: string }>
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
