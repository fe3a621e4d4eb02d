import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { assertExit, root } from './process/run-node.ts'
import { cli, cliFailure, cliOutput, folder, wasmFile } from './support/cli.ts'

/** An escape sequence, a line break, the "next line" of C1, and a mark that turns the direction of text. */
const evil = '\x1b[31m\n\x85\u202e'
const escaped = String.raw`\u{1b}[31m\u{a}\u{85}\u{202e}`
const inWat = '\\1b[31m\\0a\\c2\\85\\e2\\80\\ae'

/** What must not reach a terminal. */
const harmful = /[^\P{Cc}\n\t]|[\p{Zl}\p{Zp}\p{Bidi_Control}]/u

const names = `(module (func (export "${inWat}") (param $"${inWat}" i32)))`

test('names in messages are escaped and cut', async (t) => {
  const path = wasmFile(t, names)
  for (const args of [
    ['run', path],
    ['run', '--invoke', 'lib', path],
    ['run', '--invoke', evil, path],
  ]) {
    const { stderr } = await cli(args)
    t.true(stderr.includes(escaped), stderr)
    t.notRegex(stderr, harmful)
  }
  const long = wasmFile(t, `(module (func (export "${'n'.repeat(100_000)}") (param${' i32'.repeat(900)})))`)
  const { stderr } = await cli(['run', long])
  t.regex(stderr, /nnn…\(i32/)
  t.true(stderr.length < 2000, String(stderr.length))
})

test('texts that a compiler quotes are escaped', async (t) => {
  const wat = join(folder(t), 'bad.wat')
  writeFileSync(wat, `(module (nonsense "${evil.replace('\n', '')}"))`)
  for (const command of ['run', 'validate', 'wasm', 'inspect']) {
    const { stderr } = await cli([command, wat])
    t.regex(stderr, /bad\.wat: /)
    t.notRegex(stderr, harmful, command)
  }
  // An export of that name twice: the message of the validator has it.
  const twice = wasmFile(t, `(module (func) (export "${inWat}" (func 0)) (export "${inWat}" (func 0)))`)
  await cliFailure(t, ['validate', twice], 1, /duplicate export/)
  t.notRegex((await cli(['validate', twice])).stderr, harmful)
})

test('inspect escapes what it prints, as a table and as JSON', async (t) => {
  const path = wasmFile(t, `(module (func (export "say \\22hi\\22 \\5c ${inWat}")))`)
  const table = await cliOutput(t, ['inspect', path])
  t.true(table.includes(String.raw`"say \"hi\" \\ ${escaped}"`), table)
  t.notRegex(table, harmful)
  const json = await cliOutput(t, ['inspect', '--json', path])
  t.notRegex(json, harmful)
  t.true(json.includes(String.raw`\u001b[31m\n\u0085\u202e`), json)
  const report = JSON.parse(json) as { exports: { name: string }[] }
  t.is(report.exports[0]?.name, `say "hi" \\ ${evil}`)
})

test('a report names the file as it was given', async (t) => {
  const input = readFileSync(wasmFile(t, '(module)'))
  t.is((JSON.parse(await cliOutput(t, ['inspect', '--json', '-'], { input })) as { file: string }).file, '-')
  t.regex(await cliOutput(t, ['inspect', '-'], { input }), /^file +standard input \(/)
})

/** A section of the binary format. */
const section = (id: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([id]), leb(body.length), body])
}
const leb = (value: number): Buffer => {
  const bytes: number[] = []
  for (let rest = value; bytes.length === 0 || rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0))
  }
  return Buffer.from(bytes)
}
const text = (value: string): Buffer => Buffer.concat([leb(value.length), Buffer.from(value)])
const vector = (items: readonly Uint8Array[]): Buffer => Buffer.concat([leb(items.length), ...items])

/** Functions without imports, of one type; what is between is the sections before their bodies. */
function functionsModule(count: number, params: number, exported: number, custom: Uint8Array): Buffer {
  const type = Buffer.concat([Buffer.from([0x60]), leb(params), Buffer.alloc(params, 0x7f), leb(0)])
  return Buffer.concat([
    Buffer.from('\0asm\x01\0\0\0', 'latin1'),
    section(1, vector([type])),
    section(3, leb(count), Buffer.alloc(count, 0)),
    section(7, vector(Array.from({ length: exported }, (_, i) => Buffer.concat([text(`e${i}`), Buffer.from([0, 0])])))),
    section(10, vector(Array.from({ length: count }, () => Buffer.from([2, 0, 0x0b])))),
    custom,
  ])
}

/** A name section that gives the first parameter of function 0 a name. */
const parameterName = (name: string): Buffer =>
  section(0, text('name'), section(2, vector([Buffer.concat([leb(0), vector([Buffer.concat([leb(0), text(name)])])])])))

/** The most memory that looking into a module took, in MiB, with what Node.js takes itself. */
async function peakOf(t: Parameters<typeof folder>[0], bytes: Uint8Array): Promise<{ peak: number; stderr: string }> {
  const directory = folder(t)
  const file = join(directory, 'large.wasm')
  writeFileSync(file, bytes)
  const preload = join(directory, 'peak.cjs')
  const report = join(directory, 'peak')
  // On Linux, maxRSS is at least what the process had that started this one.
  writeFileSync(
    preload,
    `const fs = require('node:fs')
    process.on('exit', () => {
      const own = process.platform === 'linux' && /VmHWM:\\s*(\\d+) kB/.exec(fs.readFileSync('/proc/self/status', 'latin1'))
      fs.writeFileSync(${JSON.stringify(report)}, String(own ? own[1] : process.resourceUsage().maxRSS))
    })`,
  )
  const { stderr } = await cli(['inspect', '--json', file], {
    env: { ...process.env, NODE_OPTIONS: `--require ${JSON.stringify(preload)}` },
  })
  return { peak: Number(readFileSync(report, 'utf8')) / 1024, stderr }
}

test('a short module does not take much memory to look into', async (t) => {
  const many = await peakOf(t, functionsModule(5000, 1000, 0, Buffer.alloc(0)))
  t.is(many.stderr, '')
  t.true(many.peak < 200, `${many.peak} MiB`)
  const long = await peakOf(t, functionsModule(1, 1, 4000, parameterName('p'.repeat(50_000))))
  t.regex(long.stderr, /would take more than \d+ MiB/)
  t.true(long.peak < 350, `${long.peak} MiB`)
})

test('what is named once has room enough', async (t) => {
  const named = Array.from({ length: 20_000 }, (_, i) => `(func $${'n'.repeat(100)}${i} (export "e${i}"))`).join('')
  const path = wasmFile(t, `(module ${named})`)
  const report = JSON.parse(await cliOutput(t, ['inspect', '--json', path])) as { exports: unknown[] }
  t.is(report.exports.length, 20_000)
})

test('the text of a module has a bound, which can be chosen', async (t) => {
  const name = 'n'.repeat(50_000)
  const path = wasmFile(t, `(module (func $${name}) (func (export "_start") ${'(call 0)'.repeat(20_000)}))`)
  await cliFailure(t, ['wat', path], 1, /guest\.wasm: the text .* longer than 536870912 bytes \(--max-length\)/)
  await cliFailure(t, ['wat', '--max-length', '1MiB', path], 1, /longer than 1048576 bytes/)
  await cliFailure(t, ['wat', '--max-length', '5GiB', path], 2, /--max-length must be at most/)
  t.regex(await cliOutput(t, ['wat', '--skeleton', '--max-length', '1MiB', path]), /^\(module/)
})

test('an addon of somebody else is refused, whatever it says of itself', async (t) => {
  const file = join(folder(t), 'foreign.cjs')
  for (const code of [
    'null',
    '{}',
    '{ versions: () => null }',
    '{ versions() { throw new Error("no") } }',
    '{ versions: 1 }',
  ]) {
    writeFileSync(file, `module.exports = ${code}`)
    const outcome = await cli(['--version'], { env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: file } })
    assertExit(t, outcome, 1)
    t.regex(outcome.stderr, /^node-wasmtime: [^]*NAPI_RS_NATIVE_LIBRARY_PATH/, code)
    t.notRegex(outcome.stderr, /\n\s+at /, code)
  }
  t.true(readFileSync(join(root, 'bin', 'node-wasmtime.js'), 'utf8').includes('ADDON_NOT_LOADED'))
})
