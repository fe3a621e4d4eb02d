/** What it takes to have a large module ready to run: compiling, a warm cache, and Node's own WebAssembly. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'

import { Runtime } from '../index.mjs'
import { largeModule } from './large-module.mjs'
import { figure } from './measure-async.mjs'
import { readResvg } from './real-programs.mjs'

/** A custom section that makes a module another one: V8 keeps what it has compiled, and finds it by the bytes. */
function variant(bytes, number) {
  const name = Buffer.from('variant')
  const content = Buffer.alloc(1 + name.length + 8)
  content[0] = name.length
  name.copy(content, 1)
  content.writeDoubleLE(number, 1 + name.length)
  return Buffer.concat([bytes, Buffer.from([0, content.length]), content])
}

/**
 * @param {{ rounds: number, real: boolean }} effort `real`: with a program of others, which must be installed.
 * @returns {Promise<import('./measure-async.mjs').Figure[]>}
 */
export async function compiling({ rounds, real }) {
  const directory = mkdtempSync(join(tmpdir(), 'node-wasmtime-bench-'))
  const plain = new Runtime()
  const cached = new Runtime({ cache: directory })
  try {
    const bytes = real ? await readResvg() : largeModule(300_000)
    const group = `a module of ${(bytes.length / 1e6).toFixed(1)} MB`
    const samples = { compile: [], read: [], v8: [], v8Async: [] }
    ;(await cached.compileModule(bytes)).close()
    for (let round = 0; round < rounds; round += 1) {
      samples.compile.push(await time(async () => (await plain.compileModule(bytes)).close()))
      samples.read.push(await time(async () => (await cached.compileModule(bytes)).close()))
      const [one, two] = [variant(bytes, round * 2), variant(bytes, round * 2 + 1)]
      samples.v8.push(await time(() => new WebAssembly.Module(one)))
      samples.v8Async.push(await time(() => WebAssembly.compile(two)))
    }
    const { hits } = cached.stats().cache ?? { hits: 0 }
    if (hits !== rounds) throw new Error(`the cache had ${hits} hits, not ${rounds}`)
    const against = (over, under) => over.map((ms, round) => ms / under[round])
    return [
      figure(group, 'compileModule', 'ms', samples.compile),
      figure(group, 'compileModule with a warm cache', 'ms', samples.read),
      figure(group, "Node's WebAssembly.Module", 'ms', samples.v8),
      figure(group, "Node's WebAssembly.compile", 'ms', samples.v8Async),
      figure(group, 'compiling against the cache', 'x', against(samples.compile, samples.read)),
      figure(group, "the cache against Node's WebAssembly.Module", 'x', against(samples.read, samples.v8)),
      ...(await blocking(plain, rounds, real ? 10_000_000 : 300_000)),
    ]
  } finally {
    plain.close()
    cached.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** For how long the event loop stands still while a module is compiled, beside a time in which nothing is. */
async function blocking(runtime, rounds, size) {
  const bytes = largeModule(size)
  const delays = { compiling: [], idle: [] }
  for (let round = 0; round < Math.min(rounds, 3); round += 1) {
    let ms = 0
    delays.compiling.push(
      await longest(async () => {
        ms = await time(async () => (await runtime.compileModule(bytes)).close())
      }),
    )
    delays.idle.push(await longest(() => new Promise((resolve) => setTimeout(resolve, ms))))
  }
  const group = `event loop while a module of ${(size / 1e6).toFixed(1)} MB is compiled`
  return [
    figure(group, 'the longest delay', 'ms', delays.compiling),
    figure(group, 'the longest delay when nothing happens', 'ms', delays.idle),
  ]
}

async function longest(action) {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  // Its first sample is of the time before.
  await new Promise((resolve) => setTimeout(resolve, 20))
  histogram.reset()
  await action()
  await new Promise((resolve) => setTimeout(resolve, 5))
  histogram.disable()
  // It counts from one sample to the next, which are a millisecond apart.
  return histogram.max / 1e6 - 1
}

async function time(action) {
  const start = performance.now()
  await action()
  return performance.now() - start
}
