// A guest that computes for long. It is ordinary code, and knows of no threads.

import { progress } from './shared/host'

/** Numbers in a block. */
const BLOCK: i32 = 1000

/** Counts the primes in the blocks `first`, `first + step`, `first + 2 * step` and so on, below `end`. */
export function countPrimes(first: i32, step: i32, end: i32): i32 {
  let count = 0
  let tenths = 0
  for (let block = first; block < end; block += step) {
    const start = block * BLOCK
    for (let n = start; n < start + BLOCK; n++) if (isPrime(n)) count++
    const done = (min(block + step, end) * 10) / end
    while (tenths < done) progress(++tenths * 10)
  }
  return count
}

function isPrime(n: i32): bool {
  if (n < 2) return false
  for (let divisor = 2; divisor * divisor <= n; divisor++) {
    if (n % divisor === 0) return false
  }
  return true
}
