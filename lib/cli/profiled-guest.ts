import { basename } from 'node:path'

import type { CompiledModule } from '../compiled-module'
import type { GuestProfiler } from '../guest-profiler'
import type { Runtime } from '../runtime'
import { CliError, ExitStatus, statusOf } from './failure'
import { type GuestRequest, callsOf, clock, endStatus } from './guest'
import { type Invocation, functionOf, printResults } from './invocation'
import { type Output, note } from './output'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/**
 * Runs a guest and writes its profile, also when it is stopped. In async mode, so that Ctrl-C can be heard: a profile of what
 * does not end by itself is the more wanted.
 */
export async function runProfiled(
  runtime: Runtime,
  compiled: CompiledModule,
  invocation: Invocation,
  request: GuestRequest,
  output: Output,
): Promise<number> {
  const left = clock(request.timeoutMs)
  const controller = new AbortController()
  const { signal } = controller
  let received: NodeJS.Signals | undefined
  const stop = (name: NodeJS.Signals): void => {
    received = name
    controller.abort()
  }
  for (const name of SIGNALS) process.once(name, stop)
  let status: number = ExitStatus.success
  let profiler: GuestProfiler | undefined
  try {
    const instance = await runtime.instantiateAsync(compiled, {
      ...request.config,
      startFunctions: [],
      signal,
      ...left(),
    })
    if (!instance.closed) {
      profiler = instance.startProfiling({ name: basename(request.path) })
      for (const { name, args } of callsOf(instance, invocation)) {
        const func = functionOf(instance, name)
        const result: unknown = await func.callAsyncWith({ signal, ...left() }, ...args)
        if (name === request.invoke) printResults(func, result)
      }
    }
    status = statusOf(instance.exitCode ?? ExitStatus.success)
  } catch (error) {
    if (!signal.aborted) status = endStatus(error, request)
  } finally {
    for (const name of SIGNALS) process.removeListener(name, stop)
  }
  if (!writeProfile(profiler, output) && status === ExitStatus.success) status = ExitStatus.failure
  // Whoever sent the signal sees what it has done.
  if (received !== undefined) process.kill(process.pid, received)
  return status
}

/** Whether it could be written; why not is said beside what the guest has ended by. */
function writeProfile(profiler: GuestProfiler | undefined, output: Output): boolean {
  if (profiler === undefined) {
    note('node-wasmtime: there is no profile, since the guest has ended in its start function, which is not profiled')
    return true
  }
  try {
    output.write(profiler.finish())
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    note(`node-wasmtime: ${error.message}`)
    return false
  }
  note(`node-wasmtime: a profile was written to ${output.path}`)
  return true
}
