// What docs/security.md says of flags of Node.js, and of memory that is executable.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
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

test('with --allow-addons it works, and opens nothing that JavaScript may not', async (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'node-wasmtime-permission-')))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const name of ['none', 'read', 'write', 'file']) mkdirSync(join(folder, name))
  for (const name of ['none', 'read', 'write', 'file']) {
    writeFileSync(join(folder, name, 'module.wat'), '(module (func (export "f")))')
  }
  const script = `${WORKS}
    const { join } = require('node:path')
    const { Module, Engine, Runtime } = wasmtime
    const folder = process.argv.at(-1)
    const wasi = '(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (memory (export "memory") 1) (func (export "_start")))'
    const outcome = async (run) => {
      try {
        await run()
        return 'ok'
      } catch (error) {
        return [error.code, error.permission ?? error.message, error.resource?.slice(folder.length + 1)].join(' ')
      }
    }
    async function main() {
      const results = { answer: answer() }
      for (const name of ['none', 'read', 'write', 'file']) {
        const path = join(folder, name)
        const file = join(path, 'module.wat')
        results[name] = {
          compileModuleFile: await outcome(() => runtime.compileModuleFile(file)),
          fromFile: await outcome(() => Module.fromFile(new Engine(), join(name, 'module.wat'))),
          preopen: await outcome(() => runtime.runCommand(wasi, { wasi: { preopens: { '/': path } } })),
          writable: await outcome(() => runtime.runCommand(wasi, { wasi: { preopens: { '/': { path, write: true } } } })),
          cache: await outcome(() => new Runtime({ cache: path }).close()),
        }
      }
      console.log(JSON.stringify(results))
    }
    main()`
  const allow = (what: string, ...path: string[]): string => `--allow-fs-${what}=${join(folder, ...path)}`
  const result = await runForJson(t, script, {
    flags: [
      PERMISSION,
      '--allow-addons',
      `--allow-fs-read=${root}*`,
      allow('read', 'read', '*'),
      allow('read', 'write', '*'),
      allow('write', 'write', '*'),
      allow('read', 'file', 'module.wat'),
    ],
    args: [folder],
    cwd: folder,
  })
  const cannotRead = (path: string): string => `ERR_ACCESS_DENIED FileSystemRead ${path}`
  const all = (outcome: (file: string) => string, directory: string): object => ({
    compileModuleFile: outcome('/module.wat'),
    fromFile: outcome('/module.wat'),
    preopen: directory,
    writable: directory,
    cache: directory,
  })
  t.deepEqual(result, {
    answer: 42,
    none: all((file) => cannotRead(`none${file}`), cannotRead('none')),
    read: {
      ...all(() => 'ok', 'ERR_ACCESS_DENIED FileSystemWrite read'),
      preopen: 'ok',
    },
    write: all(() => 'ok', 'ok'),
    file: all(() => 'ok', cannotRead('file')),
  })
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
