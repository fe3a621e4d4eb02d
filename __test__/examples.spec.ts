// Every example is run as a user would run it, in a process of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import test from 'ava'

const root = fileURLToPath(new URL('..', import.meta.url))
const examples = join(root, 'examples')

interface Result {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** What each example prints, in this order; other text may be in between. */
const expectations: Readonly<Record<string, readonly string[]>> = {
  'hello.mjs': [
    'guest says: hello from WebAssembly\n',
    '2 + 40 = 42\n',
    '40 + 2 = 42; add takes i32, i32 and returns i32\n',
    'guest says: HELLO from WebAssembly\n',
    'guest says: hello from WebAssembly\n',
    'instances left: 0\n',
  ],
  'memory.mjs': [
    'memory: 1 page of 64 KiB, at most 3\n',
    'text: STRAßE, CAFé, TEA\n',
    'numbers: 1.5 + 2.25 = 3.75\n',
    '18446744073709551615 unsigned, -1 signed\n',
    'bytes: [1,2,3,4] and again [1,2,3,4]\n',
    'at the end: read undefined, write false\n',
    'grow by 2: was 1, now 3 pages; grow by 1: undefined\n',
  ],
  'globals-and-tables.mjs': [
    'calls: i64, value 2n\n',
    'one more call: 101n\n',
    'version: 1.5, immutable; verbose: 1\n',
    'operations: 3, the third is null; 3 + 4 = 7\n',
    'with multiply in all places: 12 and 12 and 12\n',
    'after the swap: a string, and the same cat: true\n',
  ],
  'observe.mjs': [
    '--> shop.pay(amount=5)\n\t==> bank.charge(amount=5)\n\t<== accepted=1\n<--\n',
    '\t<== accepted=0\n<-- error: wasm error: unreachable\n',
    'core dump: written\n',
    'profile: written, for https://profiler.firefox.com\n',
    'calls: 4, of host functions: 2, traps: 1\n',
  ],
  'errors.mjs': [
    'divide by 0: TrapError, trapCode integer-division-by-zero\n',
    'divide by 4: 25\n',
    'load from nowhere: TrapError, trapCode memory-out-of-bounds\n',
    'unreachable: TrapError, trapCode unreachable\n',
    'pay 500: the same PaymentError that the host threw\n',
    'pay 5: undefined\n',
    'a string as i32: TypeError, ',
    'not WebAssembly: CompileError, code COMPILE_ERROR\n',
    'an import that nobody offers: LinkError, missing refund\n',
    'a closed instance: ExitError, exit code 3\n',
    'wasm error: integer divide by zero\nwasm stack trace:\n\tshop.inner(i32) i32',
  ],
  'reentrancy.mjs': [
    '20! = 2432902008176640000, with 19 host calls inside one another\n',
    'inner call: unreachable, and the outer call goes on\n',
    'the smaller of 7 and 3 is 3\n',
    'without an end: stack overflow\n',
    'and afterwards 5! = 120\n',
  ],
  'linking.mjs': [
    'too early: module[counter] not instantiated\n',
    'Runtime: 2, then 4: both count in "counter"\n',
    'Runtime: the shared memory says 4 to both\n',
    'Runtime: "other" begins with 1\n',
    'Linker: 2, and from JavaScript 3\n',
    'Linker: in one store the host counts: 42\n',
    'Linker: in another store the host counts: 42\n',
  ],
  'worker-pool/main.mjs': [
    'all answers are right: true\n',
    'modules that were compiled, by all threads together: 1\n',
    // What is left of its 50 ms when the guest is there.
    'InterruptedError: the call was stopped after ',
    'the Worker has ended with status 3\n',
    'another Worker has taken its place: true\n',
    'and the pool works: true\n',
    'all Workers have ended: true\n',
    'all jobs have failed: true\n',
  ],
  'async-fetch/main.mjs': [
    '1. 50 guests ask the host for a text each\n',
    'requests that the server holds: 50; guests that wait: 50\n',
    'ticks of a timer meanwhile: 10; so nothing blocks\n',
    'words that they have counted, from 1 to 50 each: 1275 together\n',
    'host calls that saw the AsyncLocalStorage of their own caller: 50\n',
    '2. One guest, and calls that come to nothing\n',
    'aborted: rejected with the reason itself: true\n',
    'and the server saw its client hang up\n',
    'no answer within 100 ms: InterruptedError, INTERRUPTED\n',
    'an error of the host function: /nothing is answered with 404\n',
    'the same guest, afterwards: 7 words\n',
    'left: 0 stores, 0 waiting calls\n',
  ],
  'parallel/main.mjs': [
    'primes below 2,000,000: 148933; as many as there are: true\n',
    'a timer of 10 ms ticked more than 3 times meanwhile: true\n',
    ' at once took ',
    ' times as long as one\n',
    'all have counted the same: true\n',
    'what each has told: 10 20 30 40 50 60 70 80 90 100\n',
    'and not only at its end: true\n',
    '3. The work of one, divided among as many\n',
    ' times as long as one\n',
    'together they have counted as many: true\n',
  ],
  'plugin-server/main.mjs': [
    '1. Plugins at work\n',
    'GET /hello: 200 hello\n',
    'GET /primes/1000: 200 168\n',
    'PUT /notes/milk: 200 kept\n',
    'GET /notes/milk: 200 two bottles\n',
    'GET /notes/bread: 404 no such note\n',
    'a note from an origin on the list: news from outside\n',
    'GET /notes/?from=https%3A%2F%2Felsewhere.example: 502 nothing is to be had there\n',
    'GET /nobody: 404 {"error":"not_found","message":"there is no such plugin"}\n',
    '2. A plugin that behaves badly\n',
    'GET /hostile/trap: 500 {"error":"trap","message":"the plugin failed: unreachable"}\n',
    'GET /hostile/grow: 500 {"error":"memory","message":"the plugin failed"}\n',
    'GET /hostile/recurse: 500 {"error":"trap","message":"the plugin failed: stack-overflow"}\n',
    'GET /hostile/read: 500 {"error":"misuse","message":"the plugin failed"}\n',
    'GET /hostile/header: 500 {"error":"misuse","message":"the plugin failed"}\n',
    'GET /hostile/spin: 504 {"error":"deadline","message":"the plugin took too long"}\n',
    '3. A plugin that traps again and again is left alone for a while\n',
    'after some more traps: true, 503 the plugin has failed too often\n',
    'later one is let through, and it is well: 200\n',
    '4. The files change while the server runs\n',
    'GET /hello: 404 no such note\n',
    'GET /hello: 404 no such note\n',
    'not loaded: hello: CompileError: ',
    '5. A plugin loops without an end, and 100 other requests come at once\n',
    'right answers: 100\n',
    'the client of the one that loops leaves: no answer\n',
    'and the server has stopped the plugin\n',
    '6. What the server has counted\n',
    'plugin_requests_total{plugin="primes",outcome="ok"} 101\n',
    'plugin_requests_total{plugin="hostile",outcome="client_gone"} 1\n',
    'plugin_reloads_total{plugin="hello",result="failed"} 1\n',
    'wasmtime_instances 0\n',
    'wasmtime_tasks{state="pool"} 0\n',
    'wasmtime_cache_total{result="hit"} 5\n',
    '7. The server shuts down while it works for two requests\n',
    'ready for more: 503\n',
    'the one that waits: 200 late news\n',
    'the one that loops: 503\n',
    'one that comes later: refused\n',
    'left: 0 stores, 0 bytes\n',
  ],
  'plugin-host/main.mjs': [
    '1. A plugin at work\n',
    'LICENSE: 220 lines, 1,729 words, 12,243 characters\n',
    '[text-tools] indexed 468 different words\n',
    'license        ██████████████████████████████ 39\n',
    'work           ██████████████████████████ 34\n',
    '"license" is on the lines 2, 10, 14, 25, 37, 45, 67, 68, 70, 74 and 28 more\n',
    '2. Hostile plugins, and what stopped them\n',
    '✓ is no WebAssembly at all             CompileError: ',
    '✓ is not well typed                    CompileError: ',
    '✓ wants a function that nobody offers  LinkError: ',
    '✓ wants memory without a limit         RefusedError: ',
    '✓ gives up in the middle               TrapError: wasm error: unreachable [in plugin/hostile/crash]\n',
    '✓ reads outside its memory             TrapError: wasm error: out of bounds memory access [in ',
    '✓ writes outside its memory            TrapError: wasm error: out of bounds memory access [in ',
    '✓ divides by zero                      TrapError: wasm error: integer divide by zero [in ',
    '✓ calls itself without end             TrapError: wasm error: stack overflow [in plugin/hostile/recurse]\n',
    '✓ takes all memory it can get          TrapError: wasm error: unreachable [in ',
    '✓ throws an error of its own           AbortError: the plugin does not feel like it (plugin/hostile.ts:',
    "✓ asks the host for a file             DeniedError: plugins have no files, and not /etc/passwd either [the host's own",
    "✓ fills the host's store               DeniedError: a plugin may keep 10000 characters [the host's own object]\n",
    "✓ hands the host a wrong address       RangeError: 500 bytes at 4294967040 are not in the plugin's memory [the host's",
    '✓ returns a wrong length               RangeError: the plugin returned 2147483647 bytes of text at 8, which is not',
    '3. And the host goes on\n',
    '"license" is on the lines 2, 10, 14, ',
    'alive: 1 store, 1 instance, 5 host functions, ',
    'closed: 0 stores, 0 instances, 0 host functions, 0 KiB left\n',
  ],
}

/** The programs in examples/: files at the top, and for each folder that has one its `main.mjs`. */
function findExamples(): string[] {
  return readdirSync(examples, { withFileTypes: true })
    .map((entry) => join(examples, entry.name, ...(entry.isDirectory() ? ['main.mjs'] : [])))
    .filter((file) => file.endsWith('.mjs') && existsSync(file))
    .map((file) => relative(examples, file).split(sep).join('/'))
}

function run(file: string, ...args: string[]): Promise<Result> {
  return new Promise((resolve, reject) => {
    // Not the project's folder: an example must not depend on where it is started.
    const child = spawn(process.execPath, [join(examples, file), ...args], {
      cwd: tmpdir(),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

// The plugins are compiled by the setup; whoever runs this file alone may not have them yet.
test.before(async () => {
  const steps = new URL('../scripts/lib/steps.mjs', import.meta.url).href
  const { buildPlugins } = (await import(steps)) as { buildPlugins(say: (text: string) => void): Promise<string> }
  await buildPlugins(() => {})
})

test('every example has an expectation, and every expectation an example', (t) => {
  t.deepEqual(findExamples().sort(), Object.keys(expectations).sort())
})

for (const file of findExamples()) {
  test(`examples/${file} succeeds and prints what it should`, async (t) => {
    const { code, signal, stdout, stderr } = await run(file)
    t.is(signal, null, stderr)
    t.is(code, 0, stderr)
    t.is(stderr, '')
    const expected = expectations[file] ?? []
    t.true(expected.length > 0)
    let position = 0
    for (const text of expected) {
      const found = stdout.indexOf(text, position)
      if (found === -1) t.fail(`missing, or not in its place: ${JSON.stringify(text)} in\n${stdout}`)
      else position = found + text.length
    }
  })
}

test('the plugin host colours its output for terminals only', async (t) => {
  const { stdout } = await run('plugin-host/main.mjs')
  t.true(stdout.length > 0)
  t.false(stdout.includes('\u001B'))
})

test('the plugin host finds nothing that goes unstopped', async (t) => {
  const { stdout } = await run('plugin-host/main.mjs')
  t.is(stdout.match(/^ {2}✓ /gm)?.length, 15)
  t.false(stdout.includes('✗'))
})

test('the plugin host takes another text', async (t) => {
  const { code, stdout } = await run('plugin-host/main.mjs', join(examples, 'plugin-host', 'README.md'))
  t.is(code, 0)
  t.regex(stdout, /README\.md: \d+ lines, \d+ words, [\d,]+ characters\n/)
})

test('the plugin host reports a missing text as an ordinary error', async (t) => {
  const { code, signal, stderr } = await run('plugin-host/main.mjs', join(examples, 'no such file'))
  t.is(signal, null)
  t.is(code, 1)
  t.regex(stderr, /ENOENT/)
})

// Windows has no signals: there, `kill` ends the process at once.
const testSignal = process.platform === 'win32' ? test.skip : test

testSignal('the plugin server serves until it is interrupted, and ends in order', async (t) => {
  const child = spawn(process.execPath, [join(examples, 'plugin-server', 'main.mjs'), '--serve', '0'], {
    cwd: tmpdir(),
    env: { ...process.env, ADMIN_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 120_000,
  })
  const ended = once(child, 'close')
  const lines: { message: string; url?: string }[] = []
  const started = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const entry = JSON.parse(line) as { message: string; url?: string }
      lines.push(entry)
      if (entry.url !== undefined) resolve(entry.url)
    })
  })
  const url = await started
  const response = await fetch(`${url}/hello`)
  t.is(await response.text(), 'hello\n')
  child.kill('SIGHUP')
  child.kill('SIGINT')
  t.deepEqual(await ended, [0, null])
  const messages = lines.map(({ message }) => message)
  t.deepEqual(messages.slice(-2), ['service shuts down', 'service has ended'])
})
