// Every example is run as a user would run it, in a process of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
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
    '1. A plugin whose memory is not bounded is refused\n',
    'its memory has no maximum\n',
    'its memory may grow to 1000 pages, and 16 are allowed\n',
    'it exports no memory\n',
    'it imports its memory\n',
    'echo "grüße": 200 grüße\n',
    'upper "grüße": 200 GRÜSSE\n',
    'greet "Good morning": 200 Good morning, Ada\n',
    'count "first": 200 1\n',
    'count "second: a new instance": 200 1\n',
    'divide "five!": 200 20\n',
    'divide "": 500 {"error":"the plugin failed","trapCode":"integer-division-by-zero"}\n',
    'alloc "not a route": 404 {"error":"there is no such route"}\n',
    'spin, within 100 ms: 504 {"error":"the plugin took too long"}\n',
    'echo with 100,000 letters: 413 {"error":"more than 65536 bytes"}\n',
    '3. A plugin loops without an end, and 100 other requests come at once\n',
    'answers with the name of the right user: 100\n',
    'the client of the one that loops leaves: no answer\n',
    'and the server has stopped the plugin\n',
    'plugin_requests_total{route="greet",status="200"} 101\n',
    'plugin_requests_total{route="divide",status="500"} 1\n',
    'plugin_requests_total{route="spin",status="504"} 1\n',
    'plugin_requests_total{route="spin",status="499"} 1\n',
    'plugin_requests_running 0\n',
    'wasmtime_stores 0\n',
    'wasmtime_tasks{state="pool"} 0\n',
    '5. The server shuts down while it works for two requests\n',
    'the one that waits for the database: 200 Goodbye, Ada\n',
    'the one that loops: 503 {"error":"the server shuts down"}\n',
    'one that comes later: refused\n',
    'left: 0 stores, 0 bytes, 0 calls\n',
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

/** The programs in examples/: files at the top, and for each folder its `main.mjs`. */
function findExamples(): string[] {
  return readdirSync(examples, { withFileTypes: true })
    .map((entry) => join(examples, entry.name, ...(entry.isDirectory() ? ['main.mjs'] : [])))
    .filter((file) => file.endsWith('.mjs'))
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
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 120_000,
  })
  const ended = once(child, 'close')
  child.stdout.setEncoding('utf8')
  const [line] = (await once(child.stdout, 'data')) as [string]
  const url = /^http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]
  const response = await fetch(`${url}/upper`, { method: 'POST', body: 'text' })
  t.is(await response.text(), 'TEXT')
  child.kill('SIGINT')
  t.deepEqual(await ended, [0, null])
})
