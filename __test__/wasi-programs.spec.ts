import { readFileSync } from 'node:fs'

import test from 'ava'

import { openRuntime } from './support/async.ts'

interface Program {
  readonly name: string
  readonly path: string
  readonly args: readonly string[]
  readonly env: { readonly [name: string]: string }
  readonly stdin?: string
  readonly exitCode: number
  readonly stdout?: string
  readonly stderr?: string
}

const { toolPrograms } = (await import(new URL('../scripts/lib/wasi-programs.mjs', import.meta.url).href)) as {
  toolPrograms: () => readonly Program[]
}
const programs = toolPrograms()

for (const mode of ['sync', 'async'] as const) {
  test(`a program in AssemblyScript does what it should, in ${mode} mode`, async (t) => {
    const runtime = openRuntime(t)
    for (const { name, path, args, env, stdin = '', exitCode, stdout, stderr } of programs) {
      const bytes = readFileSync(path)
      const config = { wasi: { args, env, stdin } }
      const result = mode === 'sync' ? runtime.runCommandSync(bytes, config) : await runtime.runCommand(bytes, config)
      t.is(result.exitCode, exitCode, name)
      if (stdout !== undefined) t.is(result.stdout.toString(), stdout, name)
      if (stderr !== undefined) t.is(result.stderr.toString(), stderr, name)
    }
    t.is(programs.length, 7)
    t.is(runtime.stats().stores, 0)
  })
}
