import type { TrapCode } from '../../index.mjs'

/** Beginnings of the texts by which the suite names traps, longer ones first, and the codes that they stand for. */
const codesByText: readonly (readonly [text: string, codes: readonly TrapCode[]])[] = [
  ['cast failure', ['cast-failure']],
  ['indirect call', ['bad-signature']],
  ['integer divide by zero', ['integer-division-by-zero']],
  ['integer overflow', ['integer-overflow']],
  ['invalid conversion to integer', ['bad-conversion-to-integer']],
  ['null', ['null-reference']],
  ['out of bounds array access', ['array-out-of-bounds']],
  ['out of bounds memory access', ['memory-out-of-bounds']],
  ['out of bounds table access', ['table-out-of-bounds']],
  // Older files do not say of what.
  ['out of bounds', ['memory-out-of-bounds', 'table-out-of-bounds']],
  ['unaligned atomic', ['heap-misaligned']],
  ['undefined', ['table-out-of-bounds']],
  ['uninitialized', ['indirect-call-to-null']],
  ['unreachable', ['unreachable']],
]

/** The trap codes that a text of the suite stands for. */
export function trapCodesFor(text: string): readonly TrapCode[] {
  const found = codesByText.find(([beginning]) => text.startsWith(beginning))
  if (found === undefined) throw new Error(`the runner does not know the trap "${text}"`)
  return found[1]
}
