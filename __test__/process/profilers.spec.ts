// What the profilers of the system are told, in processes of their own: each writes a file that is named after the process.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import test from 'ava'

import { assertExit, runForJson, runNode } from './run-node.ts'

const script = (profiler: string): string => `
  const runtime = new wasmtime.Runtime({ profiler: '${profiler}' })
  const guest = runtime.instantiate('(module $m (func $findme (export "f") (result i32) i32.const 7))')
  console.log(JSON.stringify({ pid: process.pid, result: guest.exports.f() }))`

interface Result {
  readonly pid: number
  readonly result: number
}

const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('perfmap names the functions in the map that perf reads', async (t) => {
  const { pid, result } = await runForJson<Result>(t, script('perfmap'))
  t.is(result, 7)
  const file = `/tmp/perf-${pid}.map`
  t.teardown(() => rmSync(file, { force: true }))
  t.regex(readFileSync(file, 'utf8'), /^(0x)?[0-9a-f]+ [0-9a-f]+ .*findme.*$/m)
})

onLinux('jitdump writes its file into the working directory', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'node-wasmtime-jitdump-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const { pid, result } = await runForJson<Result>(t, script('jitdump'), { cwd: directory })
  t.is(result, 7)
  t.deepEqual(readdirSync(directory), [`jit-${pid}.dump`])
  const dump = readFileSync(join(directory, `jit-${pid}.dump`))
  t.is(dump.readUInt32LE(0), 0x4a695444)
  t.true(dump.includes('findme'))
})

test('vtune is there on x86-64, and a typed error elsewhere', async (t) => {
  const outcome = await runNode(
    `try { ${script('vtune')} } catch (error) { console.log(JSON.stringify([error instanceof TypeError, error.message])) }`,
  )
  assertExit(t, outcome)
  const answer: unknown = JSON.parse(outcome.stdout)
  if (process.arch === 'x64') t.is((answer as Result).result, 7)
  else t.deepEqual((answer as unknown[])[0], true)
})

test('without the option, or with none, no file is written', async (t) => {
  const { pid } = await runForJson<Result>(t, script('none'))
  t.false(existsSync(`/tmp/perf-${pid}.map`))
})

test('other profilers are refused by name', async (t) => {
  const outcome = await runNode(
    `try { new wasmtime.Engine({ profiler: 'gprof' }) } catch (e) { console.log(e.code, e.message) }`,
  )
  assertExit(t, outcome)
  t.is(
    outcome.stdout,
    `INVALID_ARGUMENT options.profiler must be 'none', 'perfmap', 'jitdump', 'vtune', but got the string "gprof"\n`,
  )
})
