/** Unsigned LEB128. */
function leb(value) {
  const bytes = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest]
    bytes.push((rest & 0x7f) | 0x80)
  }
}

const section = (id, content) => Buffer.concat([Buffer.from([id, ...leb(content.length)]), content])

/**
 * A module of about so many bytes: functions with a loop and a few hundred instructions each, all different, as programs
 * have them. The first is exported as `run`.
 *
 * @param {number} bytes
 */
export function largeModule(bytes) {
  // One buffer for all functions: thousands of small ones would be the collector's work while something is measured.
  const code = Buffer.alloc(bytes + 4096)
  let [size, count] = [0, 0]
  for (; size < bytes; count += 1) {
    const body = functionBody(count + 1)
    code.set(body, size)
    size += body.length
  }
  return Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    section(1, Buffer.from([1, 0x60, 1, 0x7f, 1, 0x7f])),
    section(3, Buffer.concat([Buffer.from(leb(count)), Buffer.alloc(count)])),
    section(5, Buffer.from([1, 0, 1])),
    section(7, Buffer.from([1, 3, ...Buffer.from('run'), 0, 0])),
    section(10, Buffer.concat([Buffer.from(leb(count)), code.subarray(0, size)])),
  ])
}

/** `(param i32) (result i32)`, with two locals, a loop, memory accesses and arithmetic that depends on a seed. */
function functionBody(seed) {
  const code = [1, 2, 0x7f] // Two locals of i32.
  code.push(0x03, 0x40) // loop
  let state = seed
  for (let step = 0; step < 60; step += 1) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    const local = state % 3
    const operator = [0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73][(state >> 4) % 6]
    code.push(0x20, local, 0x41, ...signed(state & 0xffff), operator)
    if (step % 4 === 0) code.push(0x41, ...signed(0xfffc), 0x71, 0x28, 2, ...leb(state & 0xff)) // i32.and, i32.load
    code.push(0x20, (local + 1) % 3, 0x6a, 0x21, (local + 2) % 3)
  }
  code.push(0x20, 0, 0x45, 0x0d, 0, 0x0b) // br_if 0 (i32.eqz (local.get 0))
  code.push(0x20, 1, 0x0b)
  return [...leb(code.length), ...code]
}

/** Signed LEB128 of a number that is not negative. */
function signed(value) {
  const bytes = []
  for (let rest = value; ; rest >>= 7) {
    if (rest < 0x40) return [...bytes, rest]
    bytes.push((rest & 0x7f) | 0x80)
  }
}
