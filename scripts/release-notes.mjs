/** `node scripts/release-notes.mjs 48.1.2`: prints what CHANGELOG.md says of a version. */
import { readFileSync } from 'node:fs'
import { sectionOf } from './lib/changelog.mjs'
import { at } from './lib/project.mjs'

const [version] = process.argv.slice(2)
const notes = sectionOf(readFileSync(at('CHANGELOG.md'), 'utf8'), version)
if (notes === undefined) {
  console.error(`CHANGELOG.md has no heading for the version ${version}`)
  process.exitCode = 1
} else {
  console.log(notes)
}
