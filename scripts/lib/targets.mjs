import { at, readJson } from './project.mjs'

const CPU = { x86_64: 'x64', aarch64: 'arm64' }
const OS = { linux: 'linux', darwin: 'darwin', windows: 'win32' }
const LIBC = { gnu: 'glibc', musl: 'musl' }

/**
 * A Rust target, as npm and napi-rs see it: `platform` is the name that its package and its addon have, and `os`, `cpu`
 * and `libc` are what npm compares with the system.
 */
export function targetOf(triple) {
  const [processor, , system, abi] = triple.split('-')
  const cpu = CPU[processor]
  const os = OS[system]
  if (cpu === undefined || os === undefined) throw new Error(`no name is known for the target ${triple}`)
  const libc = os === 'linux' ? LIBC[abi] : undefined
  return { triple, platform: [os, cpu, abi].filter(Boolean).join('-'), os, cpu, libc }
}

/** The targets of package.json, in their order. */
export const targets = () => readJson(at('package.json')).napi.targets.map(targetOf)
