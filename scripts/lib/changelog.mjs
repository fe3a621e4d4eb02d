/** The headings of versions are `## [48.1.2] - 2026-01-31`, the one on top is `## [Unreleased]`. */
const HEADING = /^## \[([^\]]+)\].*$/gm

/** What a changelog says of a version, without its heading; `undefined` if it has no such heading. */
export function sectionOf(changelog, version) {
  const headings = [...changelog.matchAll(HEADING)]
  const index = headings.findIndex(([, name]) => name === version)
  if (index === -1) return undefined
  const { index: start } = headings[index]
  return changelog.slice(start + headings[index][0].length, headings[index + 1]?.index).trim()
}

const UNRELEASED = '## [Unreleased]'

/** Puts what is unreleased under the heading of a version; `entry`, if given, is its first change. */
export function releaseSection(changelog, version, date, entry) {
  if (sectionOf(changelog, version) !== undefined) throw new Error(`CHANGELOG.md has a heading for ${version} already`)
  const start = changelog.indexOf(`${UNRELEASED}\n`)
  if (start === -1) throw new Error(`CHANGELOG.md has no heading \`${UNRELEASED}\``)
  const next = changelog.indexOf('\n## [', start)
  const older = next === -1 ? '' : changelog.slice(next)
  const parts = [entry === undefined ? '' : `### Changed\n\n- ${entry}`, sectionOf(changelog, 'Unreleased') ?? '']
  const body = parts.filter((part) => part !== '').join('\n\n')
  return `${changelog.slice(0, start)}${UNRELEASED}\n\n## [${version}] - ${date}\n\n${body}\n${older}`
}
