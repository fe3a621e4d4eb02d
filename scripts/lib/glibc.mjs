/** What Node.js 20 for Linux is made for, so that nothing older has to be served. */
export const OLDEST_GLIBC = '2.28'

/** Whether a version such as `2.9` is newer than another. */
export function isNewer(version, than) {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number))
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return false
}

/**
 * The newest version of glibc whose symbols a shared library asks for, by the names in its table of versions;
 * `undefined` if it asks for none, as one for musl does.
 */
export function newestGlibc(bytes) {
  const names = bytes.toString('latin1').matchAll(/\0GLIBC_(\d+(?:\.\d+)+)(?=\0)/g)
  return [...names]
    .map(([, version]) => version)
    .reduce((a, b) => (a !== undefined && isNewer(a, b) ? a : b), undefined)
}
