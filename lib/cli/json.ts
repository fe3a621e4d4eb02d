import { printable } from '../wasm-frame'

/** A value as JSON that does a terminal no harm, whatever is in its texts: the same value to whoever reads it. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value, null, 2)
  // Those that JSON escapes itself are not there any more, but for the line breaks between its parts.
  return `${printable(text, '\n', (code) => `\\u${code.toString(16).padStart(4, '0')}`)}\n`
}
