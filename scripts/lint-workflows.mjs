/** `npm run lint:workflows`: actionlint, a Go program, over `.github/workflows`. Without Go it says so, and fails. */
import { at, run } from './lib/project.mjs'

const actionlint = 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12'
const { code, missing } = await run('go', ['run', actionlint, '-color'], { cwd: at('.') })
if (missing) console.error('Go is not installed: actionlint, which checks the workflows, is a Go program.')
else if (code === 0) console.log('actionlint: nothing to say')
process.exitCode = code === 0 ? 0 : 1
