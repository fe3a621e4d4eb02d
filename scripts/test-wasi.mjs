/**
 * `npm run test:wasi`: runs programs of WASI preview 1, in sync and in async mode.
 *
 * With `WASI_TESTSUITE`, the folder of a checkout of WebAssembly/wasi-testsuite (branch `prod/testsuite-base`): all programs
 * in `tests/{assemblyscript,c,rust}/testsuite/wasm32-wasip1/*.wasm`. A `.json` beside a program says what differs from the
 * defaults: `{ root, args, env, exit_code, stdout, stderr }`; `root` is a folder that is copied to a temporary place, for the
 * program to see as "/" and to write to. Each program runs beside `node:wasi`, as a control. Without that variable, or in
 * any case: programs of our own, in AssemblyScript, and in C (with the Python package `ziglang`) and Go where there are
 * such compilers. With `SIGHTGLASS`, the folder of a checkout of bytecodealliance/sightglass: the programs in
 * `benchmarks/`, with the output that lies beside them. Arguments are parts of names: only those programs run. Exits with 1 if
 * a program fails.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { Runtime, wasiOutputOf } from '../index.mjs'
import { sightglassPrograms } from './lib/sightglass.mjs'
import { ownPrograms } from './lib/wasi-programs.mjs'

/** A bound against hangs. */
const TIMEOUT = 60_000
const suites = ['assemblyscript', 'c', 'rust']

/** Runs a program with `node:wasi`, in a process of its own, for it may never return to the event loop. */
const control = fileURLToPath(new URL('lib/node-wasi.mjs', import.meta.url))

function officialPrograms(folder) {
  return suites.flatMap((suite) => {
    const directory = join(folder, 'tests', suite, 'testsuite', 'wasm32-wasip1')
    if (!existsSync(directory)) throw new Error(`${directory} does not exist; is WASI_TESTSUITE a wasi-testsuite?`)
    const files = readdirSync(directory).filter((file) => file.endsWith('.wasm'))
    return files.sort().map((file) => {
      const path = join(directory, file)
      const json = path.replace(/\.wasm$/, '.json')
      const spec = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : {}
      const { root, args = [], env = {}, exit_code: exitCode = 0, stdout, stderr } = spec
      return {
        name: `${suite}/${basename(file, '.wasm')}`,
        path,
        args: [file, ...args],
        env,
        exitCode,
        stdout,
        stderr,
        root: root === undefined ? undefined : join(directory, root),
      }
    })
  })
}

/** Runs a program with a folder of its own; gives what is wrong, `undefined` if nothing is. */
async function attempt(program, run) {
  const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-wasi-'))
  try {
    if (program.root !== undefined) cpSync(program.root, folder, { recursive: true })
    const { exitCode, ...output } = await run(program.root === undefined ? undefined : folder)
    const [stdout, stderr] = [output.stdout, output.stderr].map((text) => (program.trimmed ? text.trimEnd() : text))
    const wrong = []
    if (exitCode !== program.exitCode) wrong.push(`exit code ${exitCode}, not ${program.exitCode}: ${stdout}${stderr}`)
    if (program.stdout !== undefined && stdout !== program.stdout) {
      wrong.push(`stdout ${JSON.stringify(stdout.slice(0, 200))}`)
    }
    if (program.stderr !== undefined && stderr !== program.stderr) {
      wrong.push(`stderr ${JSON.stringify(stderr.slice(0, 200))}`)
    }
    return wrong.length > 0 ? wrong.join('; ') : undefined
  } catch (error) {
    return `${error} ${wasiOutputOf(error)?.stderr ?? ''}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const text = ({ exitCode, stdout, stderr }) => ({ exitCode, stdout: stdout.toString(), stderr: stderr.toString() })

function ways(runtime, program) {
  const { args, env, stdin = '' } = program
  const bytes = readFileSync(program.path)
  const wasi = (folder) => ({
    args,
    env,
    stdin,
    preopens: folder === undefined ? {} : { [program.guestRoot ?? '/']: { path: folder, write: true } },
  })
  const both = {
    sync: (folder) => text(runtime.runCommandSync(bytes, { wasi: wasi(folder), timeoutMs: TIMEOUT })),
    async: async (folder) => text(await runtime.runCommand(bytes, { wasi: wasi(folder), timeoutMs: TIMEOUT })),
  }
  // It has none of the functions that these import besides.
  if (program.guestRoot !== undefined) return both
  return {
    ...both,
    'node:wasi': (folder) => {
      const options = { encoding: 'utf8', input: stdin, timeout: TIMEOUT }
      const flags = ['--no-warnings', control, program.path, JSON.stringify({ args, env, folder })]
      const { status, signal, stdout, stderr } = spawnSync(process.execPath, flags, options)
      return { exitCode: status ?? signal, stdout, stderr }
    },
  }
}

/** What Sightglass's programs import to say when the measured part begins and ends. */
function defineBench(runtime) {
  const builder = runtime.newHostModuleBuilder('bench')
  const nothing = builder.newFunctionBuilder().withFunc(() => {}, [], [])
  nothing.export('start')
  nothing.export('end')
  builder.instantiate()
}

async function main(wanted) {
  const folder = process.env.WASI_TESTSUITE
  const groups = [['our own programs', await ownPrograms()]]
  if (folder === undefined) console.log('WASI_TESTSUITE is not set: only our own programs run.')
  else groups.unshift(['the official suite', officialPrograms(folder)])
  if (process.env.SIGHTGLASS === undefined) console.log('SIGHTGLASS is not set: its programs do not run.')
  else groups.push(["Sightglass's programs", sightglassPrograms(process.env.SIGHTGLASS)])
  const runtime = new Runtime()
  defineBench(runtime)
  let failed = 0
  for (const [title, all] of groups) {
    const programs = all.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
    const passed = {}
    for (const program of programs) {
      if (program.unsupported !== undefined) {
        console.log(`- ${program.name}: ${program.unsupported}`)
        continue
      }
      for (const [way, run] of Object.entries(ways(runtime, program))) {
        const wrong = await attempt(program, run)
        passed[way] ??= 0
        if (wrong === undefined) passed[way] += 1
        else if (way !== 'node:wasi') {
          failed += 1
          console.log(`✗ ${program.name} (${way}): ${wrong}`)
        }
      }
    }
    const counts = Object.entries(passed).map(([way, count]) => `${way} ${count}`)
    console.log(`${title}: ${programs.length} programs; passed: ${counts.join(', ')}`)
  }
  const { stores } = runtime.stats()
  if (stores > 0) console.log(`✗ ${stores} stores are left`)
  if (failed > 0 || stores > 0) process.exitCode = 1
}

await main(process.argv.slice(2))
