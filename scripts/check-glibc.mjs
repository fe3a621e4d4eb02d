/**
 * `node scripts/check-glibc.mjs <file.node> ...`: tells the newest version of glibc that each addon asks for, and fails
 * if that is newer than the one that Node.js 20 itself needs.
 */
import { readFileSync } from 'node:fs'
import { newestGlibc, OLDEST_GLIBC, isNewer } from './lib/glibc.mjs'

const files = process.argv.slice(2)
if (files.length === 0) {
  console.error('usage: node scripts/check-glibc.mjs <file.node> ...')
  process.exitCode = 2
}
for (const file of files) {
  const newest = newestGlibc(readFileSync(file))
  const bad = newest === undefined || isNewer(newest, OLDEST_GLIBC)
  console.log(`${bad ? '✗' : '✓'} ${file}: glibc ${newest ?? 'of no version'}, at most ${OLDEST_GLIBC}`)
  if (bad) process.exitCode = 1
}
