// Computes for a while: how many primes there are below a number, by default one that takes about a millisecond.

import { request, response } from './shared/http'

export function handle(): void {
  const url = request.url()
  const limit = url.length > 1 ? <i32>parseInt(url.slice(1)) : 100_000
  const composite = new StaticArray<u8>(limit)
  let count = 0
  for (let n = 2; n < limit; n++) {
    if (unchecked(composite[n])) continue
    count++
    for (let multiple = n + n; multiple < limit; multiple += n) unchecked((composite[multiple] = 1))
  }
  response.write(count.toString() + '\n')
}
