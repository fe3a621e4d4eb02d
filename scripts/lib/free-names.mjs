/** The names that a program uses and does not bind itself: what its surroundings must give it. */

/** Keys of nodes under which there are names of properties and labels, and no variables; unless they are computed. */
const labels = new Map([
  ['MemberExpression', 'property'],
  ['Property', 'key'],
  ['MethodDefinition', 'key'],
  ['PropertyDefinition', 'key'],
  ['TSPropertySignature', 'key'],
  ['TSMethodSignature', 'key'],
  ['LabeledStatement', 'label'],
  ['BreakStatement', 'label'],
  ['ContinueStatement', 'label'],
  ['ImportSpecifier', 'imported'],
  ['ExportSpecifier', 'exported'],
])

/**
 * @param {object} program A tree of ESTree, of JavaScript or TypeScript.
 * @returns {Set<string>}
 */
export function freeNames(program) {
  const free = new Set()
  visit(program, new Set(), free)
  return free
}

function visit(node, bound, free) {
  if (Array.isArray(node)) {
    for (const item of node) visit(item, bound, free)
    return
  }
  if (node === null || typeof node !== 'object') return
  if (node.type === 'Identifier' && !bound.has(node.name)) free.add(node.name)
  const scope = opensScope(node) ? new Set([...bound, ...bindings(node)]) : bound
  for (const [key, value] of Object.entries(node)) {
    if (labels.get(node.type) === key && !node.computed) continue
    visit(value, scope, free)
  }
}

const isFunction = ({ type }) => /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(type)

const opensScope = (node) =>
  isFunction(node) ||
  /^(?:Program|BlockStatement|StaticBlock|SwitchStatement|CatchClause|ClassExpression|For(?:In|Of)?Statement)$/.test(
    node.type,
  )

/** The names that a scope binds. */
function bindings(node) {
  const names = new Set()
  if (isFunction(node)) {
    addPattern(node.params, names)
    addVars(node.body, names)
  }
  if (isFunction(node) || node.type === 'ClassExpression') addPattern(node.id, names)
  if (node.type === 'Program') addVars(node.body, names)
  if (node.type === 'CatchClause') addPattern(node.param, names)
  const statements = node.type === 'SwitchStatement' ? node.cases.flatMap((item) => item.consequent) : node.body
  for (const statement of Array.isArray(statements) ? statements : [node.init, node.left]) {
    addDeclaration(statement, names)
  }
  return names
}

/** What a statement declares in the scope that it stands in. */
function addDeclaration(statement, names) {
  switch (statement?.type) {
    case 'ImportDeclaration':
      for (const { local } of statement.specifiers) names.add(local.name)
      break
    case 'ExportNamedDeclaration':
    case 'ExportDefaultDeclaration':
      addDeclaration(statement.declaration, names)
      break
    case 'VariableDeclaration':
      for (const { id } of statement.declarations) addPattern(id, names)
      break
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
    case 'TSInterfaceDeclaration':
    case 'TSTypeAliasDeclaration':
    case 'TSEnumDeclaration':
      addPattern(statement.id, names)
  }
}

/** The `var`s of a function, in whatever block they are. */
function addVars(node, names) {
  if (Array.isArray(node)) {
    for (const item of node) addVars(item, names)
    return
  }
  if (node === null || typeof node !== 'object' || isFunction(node)) return
  if (node.type === 'VariableDeclaration' && node.kind === 'var') addDeclaration(node, names)
  for (const value of Object.values(node)) addVars(value, names)
}

/** The names that a pattern binds; its default values are no names that it binds. */
function addPattern(pattern, names) {
  if (Array.isArray(pattern)) {
    for (const item of pattern) addPattern(item, names)
    return
  }
  switch (pattern?.type) {
    case 'Identifier':
      names.add(pattern.name)
      break
    case 'AssignmentPattern':
      addPattern(pattern.left, names)
      break
    case 'RestElement':
      addPattern(pattern.argument, names)
      break
    case 'ArrayPattern':
      addPattern(pattern.elements, names)
      break
    case 'ObjectPattern':
      addPattern(
        pattern.properties.map((property) => property.value ?? property),
        names,
      )
      break
    case 'TSParameterProperty':
      addPattern(pattern.parameter, names)
  }
}
