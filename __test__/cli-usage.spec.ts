import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import test from 'ava'

import { versions } from '../index.mjs'
import { ageOption, ageText, fuelOption, parseSize, sizeText, timeOption } from '../dist/cli/quantity.js'
import { suggest } from '../dist/cli/suggest.js'
import { root } from './process/run-node.ts'
import { cliFailure, cliOutput, wasmFile } from './support/cli.ts'

const names = ['run', 'compile', 'inspect', 'validate', 'wat', 'wasm', 'cache list', 'cache clean']

test('--help lists the commands, and each has a help of its own', async (t) => {
  const help = await cliOutput(t, ['--help'])
  for (const name of names) t.regex(help, new RegExp(`^ {2}${name} {2,}[A-Z]`, 'm'))
  t.is(await cliOutput(t, ['help']), help)
  for (const name of names) {
    const own = await cliOutput(t, [...name.split(' '), '--help'])
    t.regex(own, new RegExp(`^Usage: node-wasmtime ${name} \\[options\\]`))
    t.is(await cliOutput(t, ['help', ...name.split(' ')]), own)
    t.true(
      own.split('\n').every((line) => line.length <= 120),
      name,
    )
  }
})

test('help of a command runs nothing, whatever stands behind it', async (t) => {
  const path = wasmFile(t, '(module (func (export "_start") unreachable))')
  const own = await cliOutput(t, ['run', '--help'])
  t.is(await cliOutput(t, ['help', 'run', path]), own)
  t.is(await cliOutput(t, ['help', 'run', '--', path]), own)
  t.is(await cliOutput(t, ['help', 'cache']), await cliOutput(t, ['--help']))
  await cliFailure(t, ['help', 'frobnicate'], 2, /"frobnicate" is no command/)
})

test('every option is in the guide', (t) => {
  const guide = readFileSync(join(root, 'docs', 'command-line.md'), 'utf8')
  for (const name of names) t.true(guide.includes(`node-wasmtime ${name}`), name)
  const options =
    'dir env inherit-env argv0 invoke timeout fuel max-memory cache profile coredump allow-precompiled engine output target ' +
    'skeleton offsets fold max-length json names verify older-than all'
  for (const option of options.split(' ')) {
    t.true(guide.includes(`--${option}`), option)
  }
})

test('--version has the versions of the package and of Wasmtime', async (t) => {
  const { nodeWasmtime, wasmtime } = versions()
  const expected = `node-wasmtime ${nodeWasmtime} (Wasmtime ${wasmtime}, Node.js ${process.versions.node})\n`
  t.is(await cliOutput(t, ['--version']), expected)
  t.is(await cliOutput(t, ['-V']), expected)
})

test('what is wrong with a command line is said with what to do', async (t) => {
  const path = wasmFile(t, '(module)')
  for (const [args, message] of [
    [[], /a command is missing\n\nUsage:/],
    [['frobnicate'], /"frobnicate" is no command; see node-wasmtime --help/],
    [['inspct', path], /"inspct" is no command; did you mean "inspect"\?/],
    [['constructor'], /"constructor" is no command/],
    [[path], /is no command; to run it: node-wasmtime run .*guest\.wasm/],
    [['cache'], /one of: node-wasmtime cache list, node-wasmtime cache clean/],
    [['cache', 'lst'], /one of: node-wasmtime cache list/],
    [['run'], /something is missing; usage: node-wasmtime run \[options\] <module>/],
    [['run', '--tiemout', '1s', path], /unknown option --tiemout; did you mean "--timeout"\?/],
    [['run', '--toString', path], /unknown option --toString/],
    [['run', '-x', path], /unknown option -x; see node-wasmtime run --help/],
    [['run', '--timeout'], /option --timeout needs a value behind it/],
    [['run', '--dir', '--env', 'A', path], /option --dir needs a value, but the next argument is "--env"/],
    [['run', '--inherit-env=yes', path], /option --inherit-env takes no value, but has "yes"/],
    [['run', '--cache=', path], /option --cache= has no value/],
    [['inspect', path, path], /is one argument more than it takes; usage: node-wasmtime inspect/],
    [['wat'], /something is missing/],
  ] as const) {
    await cliFailure(t, args, 2, message)
  }
})

test('sizes, times and amounts are read with their units', (t) => {
  t.is(parseSize('65536'), 65_536)
  t.is(parseSize('64KiB'), 65_536)
  t.is(parseSize('1.5mib'), 1_572_864)
  t.is(parseSize('1GB'), 1e9)
  for (const odd of ['', 'KiB', '-1', '1 2', '0.3', '1e3', '9'.repeat(20), '1XB']) t.is(parseSize(odd), undefined, odd)
  t.is(timeOption('--t', '1.5s'), 1500)
  t.is(timeOption('--t', '250'), 250)
  t.is(timeOption('--t', '2m'), 120_000)
  t.is(ageOption('--t', '7d'), 604_800_000)
  t.is(fuelOption('--f', '1_000'), 1000n)
  t.is(sizeText(1023), '1023 B')
  t.is(sizeText(1536), '1.5 KiB')
  t.is(sizeText(50 * 2 ** 20), '50 MiB')
  t.is(ageText(999), 'now')
  t.is(ageText(60_000), '1 minute')
  t.is(ageText(50 * 3_600_000), '2 days')
})

test('a suggestion is near what was written, or there is none', (t) => {
  t.is(suggest('timout', ['timeout', 'target']), 'timeout')
  t.is(suggest('RUN', ['run']), 'run')
  t.is(suggest('xyz', ['run', 'wat']), undefined)
  t.is(suggest('', ['run']), undefined)
  // Of these no letter is looked at.
  const long = { length: 100_000, toLowerCase: () => t.fail() } as unknown as string
  t.is(suggest('timout', [long, 'timeout']), 'timeout')
})
