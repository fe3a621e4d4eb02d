import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import test from 'ava'

const { undocumented } = (await import(new URL('../scripts/lib/doc-comments.mjs', import.meta.url).href)) as {
  undocumented: (entry: string) => string[]
}

test('nothing that the package exports is without a doc comment', (t) => {
  t.deepEqual(undocumented(fileURLToPath(new URL('../index.d.ts', import.meta.url))), [])
})

test('what has no doc comment is found, and only what is exported', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'node-wasmtime-docs-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'index.d.ts'), "export { Shown, type Shape } from './a'\nexport * as space from './b'\n")
  writeFileSync(
    join(folder, 'a.d.ts'),
    `/** Has one. */
export declare class Shown {
  #private
  private hidden
  /** Has one. */
  good(): void
  bad(): void
  /** The first speaks for all. */
  both(): void
  both(n: number): void
  readonly code: 'FIXED'
  static make(): Shown
}
export interface Shape {
  /** Has one. */
  size: number
  colour: string
}
export declare function hidden(): void
`,
  )
  writeFileSync(
    join(folder, 'b.d.ts'),
    '/** Has one. */\nexport declare function one(): void\nexport declare const two: number\n',
  )
  t.deepEqual(undocumented(join(folder, 'index.d.ts')).toSorted(), [
    'a.d.ts: Shape',
    'a.d.ts: Shape.colour',
    'a.d.ts: Shown.bad',
    'a.d.ts: Shown.make',
    'b.d.ts: two',
  ])
})
