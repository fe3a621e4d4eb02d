// What plugins should not do: the server outlives all of it.

import { fetch_read, log, request_read, response_write } from './shared/host'
import { info, request, response, store } from './shared/http'

export function handle(): void {
  const url = request.url()
  if (url === '/trap') unreachable()
  if (url === '/spin') while (true) spun++
  if (url === '/grow') while (true) if (memory.grow(16) < 0) unreachable()
  if (url === '/recurse') response.write(recurse(1).toString())
  if (url === '/read') response_write(<usize>0xffff_ff00, 500)
  if (url === '/write') request_read(1, <usize>0xffff_ff00, 500)
  if (url === '/part') request_read(99, 0, 0)
  if (url === '/status') response.status(42)
  if (url === '/header') response.header('x-plugin-split', 'a\r\nset-cookie: stolen')
  if (url === '/smuggle') response.header('content-length', '0')
  if (url === '/cookie') response.header('set-cookie', 'id=another')
  if (url === '/flood') while (true) response.write('more and more')
  if (url === '/nothing') fetch_read(0, 0)
  if (url === '/log') {
    for (let n = 0; n < 1000; n++) info('line ' + n.toString() + '\n{"level":"forged"}')
    log(<i32>0x7fff_ffff, 0, 0)
  }
  if (url === '/hoard') {
    let kept = 0
    while (store.set('key ' + kept.toString(), 'x'.repeat(10_000))) kept++
    response.write('kept ' + kept.toString() + '\n')
  }
  response.write('still here\n')
}

let spun = 0

function recurse(n: i32): i32 {
  return n === 0 ? 0 : 1 + recurse(n + 1)
}
