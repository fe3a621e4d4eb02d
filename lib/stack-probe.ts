import { native } from './native'

/** From this one on, V8 fails when something is thrown too far beyond the end of JavaScript's stack. */
const FIRST_MAJOR = 13

/** As many arguments as take 16 KiB of the stack. */
const filler: readonly undefined[] = Array.from({ length: 2048 }, () => undefined)

// The real one: programs may replace what they see.
const { apply } = Reflect

function descend(): boolean {
  return native.noteStack() || (apply(descend, undefined, filler) as boolean)
}

/** Notes how deep JavaScript can be called, until that is deep enough, or until its stack ends. */
function probe(): boolean {
  try {
    return descend()
  } catch {
    return false
  }
}

/** @internal Has native code find out how deep JavaScript can be called, where it has to know. */
export function registerStackProbe(): void {
  const { v8, bun } = process.versions as { v8?: string; bun?: string }
  // Bun names a V8 that it does not have.
  if (bun === undefined && Number.parseInt(v8 ?? '0', 10) >= FIRST_MAJOR) native.registerStackProbe(probe)
}
