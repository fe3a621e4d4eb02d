import { basename } from 'node:path'

import { defineCommand } from './command'
import { cacheFlag, engineFlags, engineOption } from './engine-flags'
import { runGuest } from './guest'
import { checkCacheApart, directories, variables } from './guest-options'
import { openOutput } from './output'
import { fuelOption, sizeOption, timeOption } from './quantity'

/** Core dumps are of memory that exists already; beyond this a buffer of Node.js may not hold them. */
const MAX_COREDUMP = 2 ** 31

export const run = defineCommand({
  name: 'run',
  summary: 'Runs a program, or calls a function of a module',
  usage: '[options] <module> [arguments...]',
  details:
    'The module is a .wasm or .wat file, or - for standard input. What stands behind it goes to the guest as it is. The ' +
    'guest finds WASI preview 1, with the standard streams of this process, and nothing else that is not given here. ' +
    'The exit status is that of the guest; 134 (on Windows 3) if it traps, throws an exception that nobody catches, or is stopped by --timeout or --fuel; 1 if it ' +
    'cannot be run; 2 if the command line is wrong.',
  positionals: 'first',
  options: {
    dir: {
      type: 'value',
      multiple: true,
      placeholder: 'host[::guest][:ro]',
      help: 'a directory for the guest, at the same path or at another; with :ro it can only be read; can be repeated',
    },
    env: {
      type: 'value',
      multiple: true,
      placeholder: 'NAME[=value]',
      help: 'a variable for the guest; without a value that of this process; can be repeated',
    },
    'inherit-env': { type: 'flag', help: 'all variables of this process' },
    argv0: { type: 'value', placeholder: 'name', help: "the program's own name; default: that of the file" },
    invoke: {
      type: 'value',
      placeholder: 'function',
      help: 'the function to call, after _initialize if there is one; its arguments stand behind the module, and its results are printed one a line',
    },
    timeout: { type: 'value', placeholder: 'time', help: 'stop the guest after 500ms, 2s, 1m or so' },
    fuel: { type: 'value', placeholder: 'amount', help: 'stop the guest when it has used so much fuel' },
    'max-memory': { type: 'value', placeholder: 'size', help: 'all memories of the guest, such as 64MiB' },
    cache: {
      type: 'optional',
      placeholder: 'dir',
      help: "keep compiled code in a directory, and find it there the next time; default: the user's own, see cache list",
    },
    profile: { type: 'value', placeholder: 'file', help: 'write a profile for https://profiler.firefox.com' },
    coredump: { type: 'value', placeholder: 'file', help: 'write a core dump if the guest traps' },
    'allow-precompiled': {
      type: 'flag',
      help: 'take a module of node-wasmtime compile; its code runs without any sandbox that it does not bring, so it must be trusted',
    },
    engine: engineOption,
  },
  run(options, [path = '', ...args]) {
    const timeoutMs = timeOption('--timeout', options.timeout)
    const fuel = fuelOption('--fuel', options.fuel)
    const memoryBytes = sizeOption('--max-memory', options['max-memory'])
    const preopens = directories(options.dir)
    const cache = cacheFlag(options.cache)
    if (cache !== undefined) checkCacheApart(cache, preopens)
    const { invoke, argv0 = basename(path) } = options
    // Before there is a guest: what they hold is the guest's data.
    const [profile, coredump] = [options.profile, options.coredump].map((file) =>
      file === undefined ? undefined : openOutput(file, true),
    )
    return runGuest({
      path,
      args,
      engine: {
        ...engineFlags(options.engine),
        ...(fuel === undefined ? {} : { fuel: true }),
        ...(coredump === undefined ? {} : { coredumpOnTrap: { maxBytes: MAX_COREDUMP } }),
        ...(cache === undefined ? {} : { cache }),
      },
      config: {
        name: '',
        wasi: {
          args: invoke === undefined ? [argv0, ...args] : [argv0],
          env: variables(options.env, options['inherit-env'] ?? false),
          preopens,
          stdin: 'inherit',
          stdout: 'inherit',
          stderr: 'inherit',
        },
        ...(memoryBytes === undefined ? {} : { limits: { memoryBytes } }),
        ...(fuel === undefined ? {} : { fuel }),
      },
      timeoutMs,
      invoke,
      profile,
      coredump,
      allowPrecompiled: options['allow-precompiled'] ?? false,
    })
  },
})
