// The parts of the example plugin server that have a logic of their own, with a clock of the test's.
import test from 'ava'

import { CircuitBreaker } from '../examples/plugin-server/circuit-breaker.mjs'
import { KeyValueStore } from '../examples/plugin-server/key-value-store.mjs'
import { Log } from '../examples/plugin-server/log.mjs'
import { Histogram, labels } from '../examples/plugin-server/prometheus.mjs'
import { QueueFullError, RequestQueue, WaitedTooLongError } from '../examples/plugin-server/request-queue.mjs'

const options = { window: 10, minimum: 4, share: 0.5, openMs: 100, maximumMs: 350 }

function makeBreaker(): { breaker: CircuitBreaker; tick(ms: number): void; fail(): void; succeed(): void } {
  let time = 1000
  const breaker = new CircuitBreaker(options, () => time)
  const enter = () => {
    const pass = breaker.enter()
    if (pass === undefined) throw new Error('refused')
    return pass
  }
  return {
    breaker,
    tick: (ms) => void (time += ms),
    fail: () => enter().failed(),
    succeed: () => enter().succeeded(),
  }
}

test('a breaker opens at a share of failures, not at a few', (t) => {
  const { breaker, fail, succeed } = makeBreaker()
  for (let round = 0; round < 100; round++) {
    succeed()
    succeed()
    fail()
  }
  t.is(breaker.state, 'closed')
  while (breaker.state === 'closed') fail()
  t.is(breaker.enter(), undefined)
  t.is(breaker.retryAfterMs, 100)
})

test('a breaker does not open before it has seen enough', (t) => {
  const { breaker, fail } = makeBreaker()
  for (let n = 0; n < 3; n++) fail()
  t.is(breaker.state, 'closed')
  fail()
  t.is(breaker.state, 'open')
})

test('a breaker lets one probe through, stays open longer after each that fails, and forgets after one that succeeds', (t) => {
  const { breaker, tick, fail, succeed } = makeBreaker()
  const waits: number[] = []
  for (let n = 0; n < 4; n++) fail()
  for (let n = 0; n < 4; n++) {
    waits.push(breaker.retryAfterMs)
    tick(breaker.retryAfterMs - 1)
    t.is(breaker.enter(), undefined)
    tick(1)
    t.is(breaker.state, 'half-open')
    const probe = breaker.enter()
    t.truthy(probe)
    t.is(breaker.enter(), undefined, 'the probe is under way')
    probe?.failed()
  }
  t.deepEqual(waits, [100, 200, 350, 350])
  tick(350)
  succeed()
  t.is(breaker.state, 'closed')
  for (let n = 0; n < 4; n++) fail()
  t.is(breaker.retryAfterMs, 100)
})

test('a probe whose client leaves decides nothing, and another one may follow', (t) => {
  const { breaker, tick, fail } = makeBreaker()
  for (let n = 0; n < 4; n++) fail()
  tick(100)
  const probe = breaker.enter()
  probe?.abandoned()
  // Only the first word counts.
  probe?.failed()
  t.is(breaker.state, 'half-open')
  breaker.enter()?.succeeded()
  t.is(breaker.state, 'closed')
})

test('requests from before a breaker opened do not count when it is closed again', (t) => {
  const { breaker, tick, fail, succeed } = makeBreaker()
  const old = Array.from({ length: 10 }, () => breaker.enter())
  for (let n = 0; n < 4; n++) fail()
  tick(100)
  old[0]?.succeeded()
  t.is(breaker.state, 'half-open')
  succeed()
  for (const pass of old) pass?.failed()
  t.is(breaker.state, 'closed')
})

test('a queue lets requests in by the order in which they came', async (t) => {
  const queue = new RequestQueue(2, 10)
  const { signal } = new AbortController()
  const order: number[] = []
  const enter = async (n: number): Promise<void> => {
    await queue.enter(signal, 10_000)
    order.push(n)
  }
  await Promise.all([enter(0), enter(1)])
  const rest = [enter(2), enter(3), enter(4)]
  t.is(queue.running, 2)
  t.is(queue.waiting, 3)
  for (let n = 0; n < 3; n++) queue.leave()
  await Promise.all(rest)
  t.deepEqual(order, [0, 1, 2, 3, 4])
  t.is(queue.running, 2)
  queue.leave()
  queue.leave()
  t.is(queue.running, 0)
})

test('a queue refuses what is too much, lets go of what leaves, and ends long waits', async (t) => {
  const queue = new RequestQueue(1, 1)
  const forever = new AbortController().signal
  await queue.enter(forever, 0)
  const controller = new AbortController()
  const waiting = queue.enter(controller.signal, 10_000)
  await t.throwsAsync(queue.enter(forever, 10_000), { instanceOf: QueueFullError })
  controller.abort(new Error('left'))
  await t.throwsAsync(waiting, { message: 'left' })
  await t.throwsAsync(queue.enter(forever, 5), { instanceOf: WaitedTooLongError })
  await t.throwsAsync(queue.enter(AbortSignal.abort(new Error('before')), 5), { message: 'before' })
  t.is(queue.waiting, 0)
  queue.leave()
  t.is(queue.running, 0)
  await queue.enter(forever, 0)
  t.is(queue.running, 1)
})

test('a store counts what is kept, and what is taken back', (t) => {
  const store = new KeyValueStore(1000)
  const bytes = (size: number) => new Uint8Array(size)
  t.true(store.set('a', 'key', bytes(500)))
  t.false(store.set('a', 'other', bytes(500)))
  t.true(store.set('b', 'other', bytes(500)))
  t.true(store.set('a', 'key', bytes(100)))
  t.true(store.set('a', 'other', bytes(500)))
  t.true(store.set('a', 'other', bytes(0)))
  t.true(store.set('a', 'key', bytes(0)))
  t.is(store.get('a', 'key'), undefined)
  t.is(store.get('b', 'other')?.length, 500)
  t.true(store.set('b', 'other', bytes(0)))
  t.is(store.bytes, 0)
})

test('a histogram is cumulative, and labels are escaped', (t) => {
  const histogram = new Histogram([1, 2])
  for (const value of [0.5, 1, 1.5, 3]) histogram.observe('', value)
  t.deepEqual(
    [...histogram.render('x', 'help')],
    [
      '# HELP x help',
      '# TYPE x histogram',
      'x_bucket{le="1"} 2',
      'x_bucket{le="2"} 3',
      'x_bucket{le="+Inf"} 4',
      'x_sum 6',
      'x_count 4',
    ],
  )
  t.is(labels({ a: 'x"y\\z\n', b: 'c' }), 'a="x\\"y\\\\z\\n",b="c"')
})

test('a log leaves out what is not important enough, and each entry is one line', (t) => {
  const lines: string[] = []
  const log = new Log('warn', (line) => lines.push(line)).with({ a: 1 })
  log.write('info', 'left out')
  log.write('error', 'two\nlines', { text: '\u001b[31m' })
  t.is(lines.length, 1)
  t.is(lines[0]?.indexOf('\n'), (lines[0]?.length ?? 0) - 1)
  t.false(lines[0]?.includes('\u001b'))
  t.like(JSON.parse(lines[0] ?? ''), { level: 'error', message: 'two\nlines', a: 1 })
})
