/**
 * `npm run lint:targets`: clippy over the addon for each platform that there are packages for, without their toolchains;
 * `-- --only windows` takes those whose name has that. It proves that the Rust code compiles there, not that it works.
 *
 * What Rust cannot compile by itself, a little C and assembly in dependencies, is left out: a script in place of the C
 * compiler makes empty files.
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { at, readJson, run } from './lib/project.mjs'

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })
if (process.platform === 'win32') {
  console.error('The script that stands for a C compiler needs a Unix shell.')
  process.exit(1)
}

/** Makes the file that `-o`, `-Fo` or `-out:` names, or the first archive; what is only preprocessed is left to `cc`. */
const compiler = `#!/bin/sh
out=
previous=
for argument in "$@"; do
  case "$argument" in
    -E) exec cc "$@" ;;
    [-/]Fo*) out="\${argument#?Fo}" ;;
    [-/]out:* | [-/]OUT:*) out="\${argument#?????}" ;;
    *.a | *.lib) [ -n "$out" ] || out="$argument" ;;
  esac
  [ "$previous" = "-o" ] && out="$argument"
  previous="$argument"
done
[ -z "$out" ] || : > "$out"
`
const folder = at('.setup', 'lint-targets')
const file = at(folder, 'cc')
mkdirSync(folder, { recursive: true })
writeFileSync(file, compiler)
chmodSync(file, 0o755)

const targets = readJson(at('package.json')).napi.targets.filter((target) => target.includes(values.only))
if (targets.length === 0) console.error(`No target has ${JSON.stringify(values.only)} in its name.`)
const failed = []
for (const target of targets) {
  console.log(`\n${target}`)
  const suffix = target.replaceAll('-', '_')
  const env = { ...process.env, CARGO_TARGET_DIR: at(folder, 'target') }
  for (const tool of ['CC', 'CXX', 'AR']) env[`${tool}_${suffix}`] = file
  const added = await run('rustup', ['target', 'add', target])
  const args = ['clippy', '--release', '--locked', '--target', target, '--', '-D', 'warnings']
  const clean = added.code === 0 && (await run('cargo', args, { cwd: at('.'), env })).code === 0
  if (!clean) failed.push(target)
}
console.log(failed.length === 0 ? `\n${targets.length} targets: nothing to say` : `\nfailed: ${failed.join(', ')}`)
process.exitCode = targets.length > 0 && failed.length === 0 ? 0 : 1
