// The workflows build and test what package.json names: all of it, and nothing else.
import { readFileSync } from 'node:fs'

import test from 'ava'
import { load } from 'js-yaml'

interface Matrix {
  readonly include?: readonly Readonly<Record<string, string>>[]
  readonly target?: readonly string[]
  readonly os?: readonly string[]
  readonly node?: readonly number[]
}

interface Job {
  readonly needs?: string | string[]
  readonly if?: string
  readonly permissions?: Record<string, string>
  readonly strategy?: { readonly matrix: Matrix }
  readonly steps: readonly { readonly uses?: string; readonly run?: string }[]
}

interface Workflow {
  readonly permissions: Record<string, string>
  readonly env: Record<string, string>
  readonly jobs: Record<string, Job>
}

const file = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const workflow = (name: string): Workflow => load(file(`.github/workflows/${name}.yml`)) as Workflow
const job = ({ jobs }: Workflow, name: string): Job => jobs[name] ?? { steps: [] }
const { napi } = JSON.parse(file('package.json')) as { napi: { targets: string[] } }
const all = napi.targets.toSorted()

const release = workflow('release')
const ci = workflow('ci')

test('a release builds every target once', (t) => {
  const built = job(release, 'build').strategy?.matrix.include?.map(({ target }) => target) ?? []
  t.deepEqual(built.toSorted(), all)
})

test('a release tests every target, each on a runner of its processor and system', (t) => {
  const { target = [], include = [] } = job(release, 'test').strategy?.matrix ?? {}
  t.deepEqual(target.toSorted(), all)
  t.deepEqual(include.map((entry) => entry['target']).toSorted(), all)
  for (const { target: triple = '', runner = '', image } of include) {
    const system = { linux: 'ubuntu-', darwin: 'macos-', windows: 'windows-' }[triple.split('-')[2] ?? ''] ?? 'none'
    t.true(runner.startsWith(system), `${triple} on ${runner}`)
    const arm = runner.endsWith('-arm') || (runner.startsWith('macos-') && !/-(?:intel|large)$/.test(runner))
    t.is(arm, triple.startsWith('aarch64-'), `${triple} on ${runner}`)
    t.is(image, triple.endsWith('-musl') ? 'alpine' : undefined, triple)
  }
})

test('addons for glibc are loaded with the oldest one that is promised', (t) => {
  const targets = job(release, 'oldest').strategy?.matrix.include?.map(({ target }) => target)
  t.deepEqual(targets, all.filter((target) => target.endsWith('-gnu')).toReversed())
})

test('nothing is published before everything was tested, and only from a tag', (t) => {
  const publish = job(release, 'publish')
  t.deepEqual(
    publish.needs,
    Object.keys(release.jobs).filter((name) => name !== 'publish'),
  )
  t.is(publish.if, "github.event_name == 'push' && github.ref_type == 'tag'")
})

test('only the job that publishes may write, and it can prove where the packages come from', (t) => {
  for (const { permissions } of [release, ci]) t.deepEqual(permissions, { contents: 'read' })
  for (const [name, { permissions }] of [...Object.entries(release.jobs), ...Object.entries(ci.jobs)]) {
    if (name === 'publish') t.deepEqual(permissions, { contents: 'write', 'id-token': 'write' })
    else t.is(permissions, undefined, name)
  }
})

test('CI tests all supported versions of Node.js on all systems', (t) => {
  const { os = [], node = [] } = job(ci, 'test').strategy?.matrix ?? {}
  t.deepEqual(node, [20, 22, 24, 26])
  t.deepEqual(os, job(ci, 'build').strategy?.matrix.os)
  const missing = ['ubuntu-', 'macos-', 'windows-'].filter((system) => !os.some((name) => name.startsWith(system)))
  t.deepEqual(missing, [])
})

test('both workflows use the version of Rust that Cargo.toml asks for', (t) => {
  const wanted = /^rust-version = "(.*)"$/m.exec(file('Cargo.toml'))?.[1]
  for (const { env } of [release, ci]) t.is(env['RUST_VERSION'], `${wanted}.0`)
})

test('the commands that workflows run exist', (t) => {
  const { scripts } = JSON.parse(file('package.json')) as { scripts: Record<string, string> }
  const steps = [release, ci].flatMap(({ jobs }) => Object.values(jobs).flatMap(({ steps }) => steps))
  const text = steps.map(({ run = '' }) => run).join('\n')
  const names = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name)
  t.true(names.length >= 5)
  for (const name of names) t.truthy(scripts[name], name)
  for (const [, path = ''] of text.matchAll(/node (scripts\/[\w-]+\.mjs)/g)) t.notThrows(() => file(path), path)
})
