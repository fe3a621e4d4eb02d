import { statSync } from 'node:fs'

import type { WasiPreopen } from '../wasi-options'
import { UsageError } from './failure'

/**
 * The directories of `--dir host[::guest][:ro|:rw]`, by the path that the guest sees.
 *
 * @throws {UsageError} If one is not there.
 */
export function directories(flags: readonly string[] | undefined): { [guest: string]: WasiPreopen } {
  const preopens: { [guest: string]: WasiPreopen } = {}
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
    if (Object.hasOwn(preopens, guest)) {
      throw new UsageError(`--dir ${flag}: the guest has another directory at "${guest}" already`)
    }
    preopens[guest] = { path: host, write: mode !== 'ro' }
  }
  return preopens
}

/** The variables of `--env NAME=value`, and of `--env NAME`, which has the value that this process sees. */
export function variables(
  flags: readonly string[] | undefined,
  inherit: boolean,
  own: NodeJS.ProcessEnv = process.env,
): { [name: string]: string } {
  const env: { [name: string]: string } = {}
  if (inherit) {
    for (const [name, value] of Object.entries(own)) {
      // Windows has hidden ones that no guest can have, such as "=C:".
      if (value !== undefined && !name.includes('=')) env[name] = value
    }
  }
  for (const flag of flags ?? []) {
    const at = flag.indexOf('=')
    const name = at < 0 ? flag : flag.slice(0, at)
    if (name === '') throw new UsageError(`--env must be NAME=value or NAME, not "${flag}"`)
    const value = at < 0 ? own[name] : flag.slice(at + 1)
    if (value !== undefined) env[name] = value
  }
  return env
}
