import type { Answer } from './child-pool.ts'
import type { KnownFailure } from './plan.ts'

/** What is wrong with how a file went; `undefined` if it went as expected. */
export function verdict(answer: Answer, known: KnownFailure | undefined): string | undefined {
  if ('error' in answer) return answer.error
  const expected = known === undefined ? [] : known.lines
  const failed = new Set(answer.failures.map(({ line }) => line))
  if (expected === 'some') {
    return failed.size > 0 ? undefined : `expected to fail, but the whole file passes (${known?.reason})`
  }
  const passing = expected.filter((line) => !failed.has(line))
  const unexpected = answer.failures.filter(({ line }) => !expected.includes(line))
  const shown = unexpected.slice(0, 10).map(({ line, command, message }) => `line ${line}: ${command}: ${message}`)
  if (unexpected.length > shown.length) shown.push(`and ${unexpected.length - shown.length} more`)
  if (passing.length > 0) shown.push(`expected to fail, but passes: line ${passing.join(', ')} (${known?.reason})`)
  return shown.length === 0 ? undefined : shown.join('\n')
}
