import { renderName } from '../wasm-frame'

/** The name that somebody may have meant, `undefined` if none is near. */
export function suggest(given: string, names: Iterable<string>): string | undefined {
  let best: string | undefined
  // A third of the letters may be wrong.
  let least = Math.max(1, Math.floor(given.length / 3)) + 1
  for (const name of names) {
    // What is that much longer or shorter is further away, without a look at its letters.
    if (Math.abs(name.length - given.length) >= least) continue
    const edits = distance(given.toLowerCase(), name.toLowerCase())
    if (edits < least) {
      least = edits
      best = name
    }
  }
  return best
}

/** `; did you mean "..."?`, or nothing. */
export function suggestion(given: string, names: Iterable<string>, prefix = ''): string {
  const name = suggest(given, names)
  return name === undefined ? '' : `; did you mean "${prefix}${renderName(name)}"?`
}

/** How many letters must be put in, left out or changed to make one text of another. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const change = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
