import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** The directory of the cache where none is named: a place of this user's for what can be made again. */
export function cacheDirectory(
  platform: NodeJS.Platform = process.platform,
  env: NodeJS.ProcessEnv = process.env,
): string {
  return join(baseDirectory(platform, env), 'node-wasmtime')
}

function baseDirectory(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string {
  if (platform === 'win32') return env['LOCALAPPDATA'] || join(homedir(), 'AppData', 'Local')
  const xdg = env['XDG_CACHE_HOME']
  // The specification of XDG says to ignore relative ones.
  if (xdg !== undefined && isAbsolute(xdg)) return xdg
  return platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache')
}
