import { resolve } from 'node:path'

/** How Node's errors name a permission, what it is for, and what gives it. */
const permitted = {
  'fs.read': { name: 'FileSystemRead', deed: 'read', flag: '--allow-fs-read' },
  'fs.write': { name: 'FileSystemWrite', deed: 'write to', flag: '--allow-fs-write' },
} as const

type Scope = keyof typeof permitted

/** What a directory has only if all that could be in it is permitted. */
const ANYTHING = 'node-wasmtime-9f1c7a54-anything'

/** The process's permissions, if Node's permission model is on. */
const permissions = (): NodeJS.ProcessPermission | undefined =>
  process.permission as NodeJS.ProcessPermission | undefined

/**
 * @internal The path of a file that native code is to read, which Node's permission model does not bind: so it is asked here.
 *
 * @throws {Error} With the code `ERR_ACCESS_DENIED`, as Node's own functions do, if the program may not read it.
 */
export function readable(path: string): string {
  const permission = permissions()
  if (permission === undefined) return path
  // The program may go to another directory before the file is read.
  const file = resolve(path)
  demand(permission, 'fs.read', file)
  return file
}

/**
 * @internal The same of a directory, with all that is in it or will be.
 *
 * @param write Whether it is to be written to, too.
 */
export function usableDirectory(path: string, write: boolean): string {
  const permission = permissions()
  if (permission === undefined) return path
  const directory = resolve(path)
  for (const scope of write ? (['fs.read', 'fs.write'] as const) : (['fs.read'] as const)) {
    demand(permission, scope, directory)
    demand(permission, scope, resolve(directory, ANYTHING), directory)
  }
  return directory
}

function demand(permission: NodeJS.ProcessPermission, scope: Scope, path: string, directory?: string): void {
  if (permission.has(scope, path)) return
  const resource = directory ?? path
  const { name, deed, flag } = permitted[scope]
  const error = new Error(
    `Node's permission model does not let this program ${deed} ${resource}` +
      (directory === undefined
        ? `: ${flag}=${resource}`
        : ` and all that is in it: ${flag}=${resolve(directory, '*')}`),
  )
  throw Object.assign(error, { code: 'ERR_ACCESS_DENIED', permission: name, resource })
}
