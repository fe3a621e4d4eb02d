// What docs/security.md says of flags of Node.js, and of memory that is executable.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { root, runForJson, runNode } from './run-node.ts'

/** Where this Node.js has it; up to 22 under another name. */
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

const WORKS = `
  const runtime = new wasmtime.Runtime()
  const { answer } = runtime.instantiate('(module (func (export "answer") (result i32) (i32.const 42)))').exports`

test('under the permission model the addon is not loaded without --allow-addons', async (t) => {
  const { status, stderr } = await runNode('', { flags: [PERMISSION, `--allow-fs-read=${root}*`] })
  t.is(status, 1)
  t.regex(stderr, /loading addons is disabled/)
})

test('with --allow-addons it works, and reads files that JavaScript may not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-permission-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'module.wat')
  writeFileSync(file, '(module (func (export "f")))')
  const script = `${WORKS}
    const file = process.argv.at(-1)
    let denied
    try {
      require('node:fs').readFileSync(file)
    } catch (error) {
      denied = error.code
    }
    runtime.compileModuleFile(file).then((compiled) =>
      console.log(JSON.stringify({ answer: answer(), denied, exports: compiled.exports.length })))`
  const flags = [PERMISSION, '--allow-addons', `--allow-fs-read=${root}*`]
  const result = await runForJson(t, script, { flags, args: [file] })
  t.deepEqual(result, { answer: 42, denied: 'ERR_ACCESS_DENIED', exports: 1 })
})

test("it needs neither V8's compiler nor code from strings", async (t) => {
  const script = `${WORKS}
    console.log(JSON.stringify([answer(), typeof WebAssembly]))`
  t.deepEqual(await runForJson(t, script, { flags: ['--jitless'] }), [42, 'undefined'])
  t.deepEqual(await runForJson(t, script, { flags: ['--disallow-code-generation-from-strings'] }), [42, 'object'])
})

const testMaps = process.platform === 'linux' ? test : test.skip

testMaps('no memory is writable and executable at once, by Wasmtime or by V8 without its compiler', async (t) => {
  const script = `${WORKS}
    const maps = () => require('node:fs').readFileSync('/proc/self/maps', 'utf8').trim().split('\\n')
    const kinds = maps().map((line) => line.split(' ')[1])
    const code = kinds.filter((kind) => kind.startsWith('r-x')).length
    const result = answer()
    for (let n = 0; n < 5; n++) runtime.compileModuleSync('(module (func (export "f")))')
    const after = maps().map((line) => line.split(' ')[1])
    console.log(JSON.stringify({
      result,
      both: [...kinds, ...after].filter((kind) => kind.includes('w') && kind.includes('x')).length,
      more: after.filter((kind) => kind.startsWith('r-x')).length - code,
    }))`
  const { result, both, more } = await runForJson<{ result: number; both: number; more: number }>(t, script, {
    flags: ['--jitless'],
  })
  t.deepEqual({ result, both }, { result: 42, both: 0 })
  t.true(more > 0, 'the code of the new modules is somewhere')
})
