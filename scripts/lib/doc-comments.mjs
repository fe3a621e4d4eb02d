/**
 * Finds what of the public API has no doc comment, by the declarations in `dist/`: what `index.d.ts` exports, with the members
 * of classes and interfaces. What is marked `@internal` is not in the declarations.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { parseSync } from 'oxc-parser'

/**
 * @param {string} entry The declarations that a package starts with.
 * @returns {string[]} `file: name`, for each that has none.
 */
export function undocumented(entry) {
  const modules = new Map()
  const load = (path) => {
    if (!modules.has(path)) modules.set(path, new DeclarationFile(path))
    return modules.get(path)
  }
  const missing = new Set()
  const visit = (path, names) => {
    const file = load(path)
    for (const { from, exported, local } of file.reExports) {
      if (names !== undefined && exported !== '*' && !names.has(exported)) continue
      const source = resolve(path, from)
      visit(source, local === '*' ? undefined : new Set([local]))
    }
    for (const found of file.undocumented(names)) missing.add(found)
  }
  visit(entry, undefined)
  return [...missing]
}

function resolve(from, specifier) {
  const base = join(dirname(from), specifier.replace(/\.js$/, ''))
  const found = [`${base}.d.ts`, join(base, 'index.d.ts')].find((path) => existsSync(path))
  if (found === undefined) throw new Error(`${from} exports from ${specifier}, which has no declarations`)
  return found
}

class DeclarationFile {
  #path
  #text
  #comments
  #body

  constructor(path) {
    this.#path = path
    this.#text = readFileSync(path, 'utf8')
    const { program, comments, errors } = parseSync(path, this.#text)
    if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`)
    // By where they end, whatever white space follows.
    this.#comments = new Map(
      comments
        .filter(({ type, value }) => type === 'Block' && value.startsWith('*'))
        .map(({ end, value }) => [this.#skipSpace(end), value]),
    )
    this.#body = program.body
  }

  /** `export { a as b } from './c'` and `export * from './c'`. */
  get reExports() {
    return this.#body.flatMap((node) => {
      if (node.type === 'ExportAllDeclaration') return [{ from: node.source.value, exported: '*', local: '*' }]
      if (node.type !== 'ExportNamedDeclaration' || node.source === null) return []
      return node.specifiers.map(({ exported, local }) => ({
        from: node.source.value,
        exported: exported.name,
        local: local.name,
      }))
    })
  }

  /** @param {Set<string> | undefined} names Those to look at; all, if it is left out. */
  undocumented(names) {
    const missing = []
    const seen = new Set()
    for (const node of this.#body) {
      if (node.type !== 'ExportNamedDeclaration' || node.declaration === null) continue
      const { declaration } = node
      const name = declaration.id?.name ?? declaration.declarations?.[0]?.id.name
      if (names !== undefined && !names.has(name)) continue
      // The first overload speaks for all.
      if (!seen.has(name) && !this.#isDocumented(node)) missing.push(name)
      seen.add(name)
      missing.push(...this.#members(declaration, name))
    }
    return missing.map((name) => `${this.#path.split(/[\\/]/).pop()}: ${name}`)
  }

  #members(declaration, owner) {
    const members = declaration.body?.body ?? []
    if (!Array.isArray(members)) return []
    const missing = []
    const seen = new Set()
    for (const member of members) {
      const name = nameOf(member)
      if (name === undefined || seen.has(name)) continue
      seen.add(name)
      if (!this.#isDocumented(member)) missing.push(`${owner}.${name}`)
    }
    return missing
  }

  #isDocumented(node) {
    return this.#comments.has(node.start)
  }

  #skipSpace(at) {
    let next = at
    while (/\s/.test(this.#text[next] ?? '')) next += 1
    return next
  }
}

/** The name of a member that is for users; none for `#private`, `private x`, constructors and those with a symbol's name. */
function nameOf(member) {
  if (member.accessibility === 'private' || member.key === undefined || member.computed) return undefined
  if (member.key.type !== 'Identifier') return undefined
  if (member.kind === 'constructor') return undefined
  // One that has one value says it in its type: an error's `code`.
  if (member.typeAnnotation?.typeAnnotation.type === 'TSLiteralType') return undefined
  return member.key.name
}
