/** Checks the types of the Electron example: `npm run typecheck:electron`. Gets Electron's types the first time. */
import { electronTypes } from './lib/electron-types.mjs'
import { runNode, tool } from './lib/project.mjs'

const problem = await electronTypes()
if (problem === undefined) {
  const { code } = await runNode([tool('typescript', 'tsc'), '-p', 'examples/electron-app', '--noEmit'])
  process.exitCode = code
} else {
  console.error(problem)
  process.exitCode = 1
}
