import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { figure } from './measure-async.mjs'

/**
 * What guests take that wait for a promise, measured in processes of their own.
 *
 * @param {{ parked: number, parkedRounds: number }} effort
 * @returns {Promise<import('./measure-async.mjs').Figure[]>}
 */
export async function parked({ parked, parkedRounds }) {
  const script = fileURLToPath(new URL('parked-process.mjs', import.meta.url))
  const reports = []
  for (let round = 0; round < parkedRounds; round++) {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script, String(parked)])
    reports.push(JSON.parse(stdout))
  }
  const group = 'guests without memory, parked in a host call'
  const failure = reports.find((report) => report.failure !== undefined)?.failure
  if (failure !== undefined) console.log(`${group}: not all of ${parked} could be made or called: ${failure}`)
  const figureOf = (name, unit, key) => {
    const samples = reports.map((report) => report[key])
    // Other systems than Linux do not say.
    return samples.includes(undefined) ? [] : [figure(group, name, unit, samples)]
  }
  return [
    ...figureOf('parked at once', '', 'parked'),
    ...figureOf('memory for each, before it is called', 'KiB', 'instanceKib'),
    ...figureOf('memory for each, parked', 'KiB', 'parkedKib'),
    ...figureOf('threads of the process', '', 'threads'),
    ...figureOf('memory maps of the process', '', 'maps'),
  ]
}
