import type { Command, OptionSpec } from './command'

const WIDTH = 100
const COLUMN = 34

/** The help of a command. */
export function commandHelp(command: Command): string {
  const options = { ...command.options, help: { type: 'flag', short: 'h', help: 'show this help' } as const }
  return [
    `Usage: node-wasmtime ${command.name} ${command.usage}`,
    '',
    `${command.summary}.`,
    ...(command.details === undefined ? [] : ['', ...wrap(command.details, WIDTH)]),
    '',
    'Options:',
    ...Object.entries(options).flatMap(([name, option]) => entry(optionText(name, option), option.help)),
    '',
  ].join('\n')
}

/** The help of the whole command line. */
export function generalHelp(commands: readonly { readonly name: string; readonly summary: string }[]): string {
  return [
    'Usage: node-wasmtime <command> [options] [arguments]',
    '',
    'Runs, compiles and inspects WebAssembly modules with Wasmtime.',
    '',
    'Commands:',
    ...commands.flatMap(({ name, summary }) => entry(name, summary)),
    '',
    'Options:',
    ...entry('-h, --help', 'show this help, or that of a command'),
    ...entry('-V, --version', 'show versions'),
    '',
    'node-wasmtime <command> --help tells more.',
    '',
  ].join('\n')
}

function optionText(name: string, { type, short, placeholder = 'value' }: OptionSpec): string {
  const value = { flag: '', value: ` <${placeholder}>`, optional: `[=<${placeholder}>]` }[type]
  return `${short === undefined ? '   ' : `-${short},`} --${name}${value}`
}

/** A term, and beside it what it means. */
function entry(term: string, text: string): string[] {
  const lines = wrap(text, WIDTH - COLUMN)
  const head = `  ${term}`
  const first = head.length + 2 > COLUMN ? [head] : [`${head.padEnd(COLUMN)}${lines.shift() ?? ''}`]
  return [...first, ...lines.map((line) => `${' '.repeat(COLUMN)}${line}`)]
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
