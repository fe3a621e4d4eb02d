// Output for people.

const colours = process.stdout.isTTY && !process.env['NO_COLOR']

/**
 * @param {number} code
 * @returns {(text: string) => string}
 */
const style = (code) => (text) => (colours ? `\u001B[${code}m${text}\u001B[0m` : text)

const bold = style(1)
const dim = style(2)
const red = style(31)
const green = style(32)
const cyan = style(36)

/**
 * Text that a plugin may have had its hands in. It must not be able to move the terminal's cursor or to forge lines.
 *
 * @param {string} text
 */
const harmless = (text) => text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, '·')

/** @param {string} text */
export const heading = (text) => console.log(`\n${bold(text)}`)

/** @param {string} text */
export const line = (text) => console.log(`  ${text}`)

/**
 * @param {string} plugin
 * @param {string} text
 */
export const logLine = (plugin, text) => console.log(`  ${dim(`[${plugin}]`)} ${harmless(text)}`)

/**
 * @param {string} label
 * @param {number} value
 * @param {number} highest The value that fills the bar.
 */
export function bar(label, value, highest) {
  const length = Math.max(1, Math.round((value / highest) * 30))
  console.log(`    ${label.padEnd(14)} ${cyan('█'.repeat(length))} ${value}`)
}

/**
 * @param {string} title
 * @param {string | undefined} stoppedBy
 */
export function outcome(title, stoppedBy) {
  if (stoppedBy === undefined) console.log(`  ${red('✗')} ${title.padEnd(36)} ${red('nothing stopped it')}`)
  else console.log(`  ${green('✓')} ${title.padEnd(36)} ${harmless(stoppedBy)}`)
}

/** @param {number} value */
export const count = (value) => value.toLocaleString('en')

/** @param {number} value */
export const bytes = (value) => `${count(Math.round(value / 1024))} KiB`
