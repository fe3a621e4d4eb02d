import { odd } from './odd.mjs'
import { check } from './check.mjs'

/** The exports of the guest `main`: arguments for them, and what must come out if it is no error. */
export const calls = {
  add: {
    make(random) {
      const [a, b] = [random.number('i32'), random.number('i32')]
      return { args: [a, b], expect: (sum) => check(sum === ((a + b) | 0), `${a} + ${b} gave ${sum}`) }
    },
  },
  swap: {
    make(random) {
      const [a, b] = [random.number('i32'), random.number('i64')]
      return { args: [a, b], expect: ([x, y]) => check(x === b && y === a, `swapped ${a} and ${b} are ${x} and ${y}`) }
    },
  },
  run: {
    make(random) {
      const n = 1 + random.below(random.oneIn(5) ? 60 : 6)
      return { args: [n], expect: (sum) => check(sum === (n * (n + 1)) / 2, `the sum to ${n} is ${sum}`) }
    },
  },
  compute: {
    make: (random) => ({ args: [1 + random.below(500_000)], expect: (left) => check(left === 0, `${left} is left`) }),
  },
  stack: {
    make(random) {
      const given = random.number('i64')
      return { args: [given, 0.5], expect: (value) => check(value === given, `${given} came back as ${value}`) }
    },
  },
  echo: {
    make(random) {
      const value = odd(random)
      return {
        args: [value],
        expect: (same) => check(Object.is(same, value), `${typeof value} came back as ${typeof same}`),
      }
    },
  },
  indirect: {
    make: (random) => ({ args: [random.below(6)] }),
  },
  load: { make: (random) => ({ args: [random.number('i32')] }) },
  store: { make: (random) => ({ args: [random.number('i32'), random.number('i32')] }) },
  grow: { make: (random) => ({ args: [random.below(3)] }) },
  trap: { make: () => ({ args: [] }) },
  deep: { make: () => ({ args: [0] }) },
  /** Never ends by itself: for asynchronous calls with a timeout. */
  spin: { endless: true, make: () => ({ args: [] }) },
}

const names = Object.keys(calls)
const ending = names.filter((name) => calls[name].endless !== true)

/** A call of any export, or of one that ends by itself. */
export function randomCall({ random }, endless) {
  const name = random.pick(endless ? names : ending)
  return { name, ...calls[name].make(random) }
}
