import { readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, parse, relative, resolve, sep } from 'node:path'

import type { WasiPreopen } from '../wasi-options'
import { UsageError } from './failure'

/**
 * The directories of `--dir host[::guest][:ro|:rw]`, by the path that the guest sees.
 *
 * @throws {UsageError} If one is not there.
 */
export function directories(flags: readonly string[] | undefined): { [guest: string]: WasiPreopen } {
  const preopens = new Map<string, WasiPreopen>()
  for (const flag of flags ?? []) {
    const [, paths = '', mode] = /^(.*?)(?::(ro|rw))?$/s.exec(flag) ?? []
    const at = paths.indexOf('::')
    const host = at < 0 ? paths : paths.slice(0, at)
    const guest = at < 0 ? paths : paths.slice(at + 2)
    if (host === '' || guest === '') {
      throw new UsageError(`--dir must be host, host::guest, host:ro or host::guest:ro, not "${flag}"`)
    }
    if (!statSync(host, { throwIfNoEntry: false })?.isDirectory()) {
      throw new UsageError(`--dir ${flag}: "${host}" is no directory`)
    }
    if (preopens.has(guest)) {
      throw new UsageError(`--dir ${flag}: the guest has another directory at "${guest}" already`)
    }
    preopens.set(guest, { path: host, write: mode !== 'ro' })
  }
  return Object.fromEntries(preopens)
}

/**
 * Makes sure that no guest comes near the cache of compiled modules, whose code is run: whoever reads the key in it, or puts
 * another cache in its place, can have any code run the next time.
 *
 * @throws {UsageError} If a directory of the guest and that of the cache contain one another.
 */
export function checkCacheApart(cache: string, preopens: { readonly [guest: string]: WasiPreopen }): void {
  // A guest that has any of the directories that lead to the cache can exchange what comes below it.
  const way = wayTo(cache)
  const end = realOf(cache)
  for (const preopen of Object.values(preopens)) {
    const path = typeof preopen === 'string' ? preopen : preopen.path
    const given = realpathSync(path)
    if (!way.some((step) => contains(given, step)) && !contains(end, given)) continue
    throw new UsageError(
      `--dir ${path}: the guest could get at the cache ${cache}, out of which code is run; ` +
        'put the cache elsewhere with --cache=<dir>, or give the guest another directory',
    )
  }
}

/** All directories that are looked into on the way to a path, those of links included, and where it really is, last. */
function wayTo(path: string): string[] {
  const way: string[] = []
  const absolute = resolve(path)
  let at = parse(absolute).root
  const rest = partsOf(absolute)
  for (let part = rest.shift(), links = 0; part !== undefined && links < MAX_LINKS; part = rest.shift()) {
    way.push(at)
    const next = part === '..' ? dirname(at) : join(at, part)
    const target = targetOf(next)
    if (target === undefined) at = next
    else {
      links += 1
      if (isAbsolute(target)) at = parse(target).root
      rest.unshift(...partsOf(target))
    }
  }
  return [...way, at, realOf(path)]
}

/** A path with more links than that is refused by the system itself. */
const MAX_LINKS = 40

function partsOf(path: string): string[] {
  return path
    .slice(parse(path).root.length)
    .split(sep)
    .filter((part) => part !== '' && part !== '.')
}

/** Where a link leads, `undefined` if it is none. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/** The real path; of what is not there, that of the directory in which it would be made, with the rest behind it. */
function realOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const above = dirname(path)
    return above === path ? path : resolve(realOf(above), relative(above, path))
  }
}

function contains(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep)
}

/** The variables of `--env NAME=value`, and of `--env NAME`, which has the value that this process sees. */
export function variables(
  flags: readonly string[] | undefined,
  inherit: boolean,
  own: NodeJS.ProcessEnv = process.env,
): { [name: string]: string } {
  const env = new Map<string, string>()
  if (inherit) {
    for (const [name, value] of Object.entries(own)) {
      // Windows has hidden ones that no guest can have, such as "=C:".
      if (value !== undefined && !name.includes('=')) env.set(name, value)
    }
  }
  for (const flag of flags ?? []) {
    const at = flag.indexOf('=')
    const name = at < 0 ? flag : flag.slice(0, at)
    if (name === '') throw new UsageError(`--env must be NAME=value or NAME, not "${flag}"`)
    const value = at >= 0 ? flag.slice(at + 1) : Object.hasOwn(own, name) ? own[name] : undefined
    if (value !== undefined) env.set(name, value)
  }
  return Object.fromEntries(env)
}
