import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'

import test from 'ava'

import {
  ArgumentError,
  ArgumentRangeError,
  ClosedError,
  CompileError,
  ExitError,
  InterruptedError,
  LimitError,
  LinkError,
  OutOfFuelError,
  StoreBusyError,
  TrapError,
  WasmtimeError,
  wasmFramesOf,
} from '../dist/errors.js'
import { renderFrame, renderTrace } from '../dist/wasm-frame.js'
import { trapCodes } from '../dist/trap-code.js'
import type { NativeErrorKind } from '../dist/native-error.js'
import type { LinkProblem } from '../dist/errors.js'
import type { WasmFrame } from '../dist/wasm-frame.js'

// Internal, so their types are not in dist/.
const require = createRequire(import.meta.url)
const { createNativeError } = require('../dist/native-error.js') as {
  createNativeError: (kind: NativeErrorKind, message: string, ...more: any[]) => any
}
const { attachWasmFrames } = require('../dist/wasm-frame.js') as {
  attachWasmFrames: (error: unknown, frames: readonly WasmFrame[]) => void
}

const inner: WasmFrame = { moduleName: 'env', functionName: 'f', signature: '(i32) i32', host: true }
const outer: WasmFrame = { functionIndex: 1, signature: '(i32) i32', host: false }

/** `count` frames that can be told apart. */
function manyFrames(count: number): WasmFrame[] {
  return Array.from({ length: count }, (_, functionIndex) => ({ functionIndex, host: false }))
}

test('every kind of native error has its class, name and code', (t) => {
  const expected: [kind: NativeErrorKind, type: new (...args: never[]) => Error, name: string, code: string][] = [
    ['compile', CompileError, 'CompileError', 'COMPILE_ERROR'],
    ['link', LinkError, 'LinkError', 'LINK_ERROR'],
    ['trap', TrapError, 'TrapError', 'TRAP'],
    ['exit', ExitError, 'ExitError', 'EXIT'],
    ['interrupted', InterruptedError, 'InterruptedError', 'INTERRUPTED'],
    ['out-of-fuel', OutOfFuelError, 'OutOfFuelError', 'OUT_OF_FUEL'],
    ['limit', LimitError, 'LimitError', 'LIMIT_EXCEEDED'],
    ['store-busy', StoreBusyError, 'StoreBusyError', 'STORE_BUSY'],
    ['closed', ClosedError, 'ClosedError', 'CLOSED'],
    ['type', ArgumentError, 'TypeError', 'INVALID_ARGUMENT'],
    ['range', ArgumentRangeError, 'RangeError', 'OUT_OF_RANGE'],
    ['stack-overflow', RangeError, 'RangeError', 'STACK_OVERFLOW'],
    ['host-failure', WasmtimeError, 'WasmtimeError', 'HOST_FAILURE'],
    ['internal', WasmtimeError, 'WasmtimeError', 'INTERNAL'],
  ]
  const cause = { any: 'value' }
  for (const [kind, type, name, code] of expected) {
    const error = createNativeError(kind, 'text', { cause })
    t.is(error.constructor, type, kind)
    t.is(error.name, name)
    t.is((error as WasmtimeError).code as string, code)
    t.is(error.cause, cause)
    t.is(error.stack?.split('\n')[0], `${name}: ${error.message}`.split('\n')[0])
    t.false(Object.hasOwn(error, 'name'))
    const bare = createNativeError(kind, 'text', undefined)
    t.false('cause' in bare)
    t.is(bare.message, error.message)
  }
})

test('argument errors are the built-in classes to code that knows nothing of this package', (t) => {
  t.true(new ArgumentError('x') instanceof TypeError)
  t.true(new ArgumentRangeError('x') instanceof RangeError)
  t.false((new ArgumentError('x') as Error) instanceof WasmtimeError)
})

test('the stack of a native error does not begin in the factory', (t) => {
  const error = createNativeError('closed', 'text', undefined)
  t.false(error.stack?.includes('createNativeError'))
  t.regex(error.stack ?? '', /errors\.spec/)
})

test('an exit has the message of wazero', (t) => {
  const error = createNativeError('exit', 'ignored', { exitCode: 3 }) as ExitError
  t.is(error.message, 'module closed with exit_code(3)')
  t.is(error.exitCode, 3)
  t.false('results' in error)
  t.is(new ExitError(0).message, 'module closed with exit_code(0)')
  t.deepEqual((createNativeError('exit', '', { exitCode: 5, results: [7] }) as ExitError).results, [7])
  t.not((createNativeError('exit', '', undefined) as ExitError).exitCode, 0)
})

test('a compile error has an offset only where it is known', (t) => {
  t.is((createNativeError('compile', 'bad magic', { offset: 0 }) as CompileError).offset, 0)
  t.false('offset' in createNativeError('compile', 'bad magic', {}))
})

test('a link error lists its problems', (t) => {
  const problems: LinkProblem[] = [{ module: 'env', name: 'f', reason: 'missing', expected: '(i32) i32' }]
  t.deepEqual((createNativeError('link', 'no f', { problems }) as LinkError).problems, problems)
  t.deepEqual((createNativeError('link', 'modes', undefined) as LinkError).problems, [])
})

test('a trap reads like one of wazero', (t) => {
  const frames: WasmFrame[] = [{ functionIndex: 0, signature: '()', host: false }]
  const error = createNativeError('trap', 'unreachable', { trapCode: 'unreachable', frames }) as TrapError
  t.is(error.message, 'wasm error: unreachable\nwasm stack trace:\n\t.$0()')
  t.is(error.trapCode, 'unreachable')
  t.is(error.frames, frames)
  t.is(createNativeError('trap', 'unreachable', undefined).message, 'wasm error: unreachable')
  t.is(createNativeError('trap', 'wasm trap: interrupt', {}).message, 'wasm error: interrupt')
  t.is(createNativeError('trap', '', { trapCode: 'cast-failure' }).message, 'wasm error: cast-failure')
})

test('a trap code that is not known is "other"', (t) => {
  for (const trapCode of ['new-in-wasmtime-99', '', 'toString', '__proto__', undefined]) {
    t.is((createNativeError('trap', 'x', { trapCode }) as TrapError).trapCode, 'other')
  }
  for (const trapCode of trapCodes) {
    t.is((createNativeError('trap', 'x', { trapCode }) as TrapError).trapCode, trapCode)
  }
  t.is(new Set(trapCodes).size, 20)
  t.true(Object.isFrozen(trapCodes))
})

test('interruption and lack of fuel carry the frames too', (t) => {
  for (const kind of ['interrupted', 'out-of-fuel'] as const) {
    const error = createNativeError(kind, 'stopped', { frames: [outer] }) as InterruptedError | OutOfFuelError
    t.deepEqual(error.frames, [outer])
    t.is(error.message, 'stopped\nwasm stack trace:\n\t.$1(i32) i32')
    t.false('wasmFrames' in error)
  }
})

test('frames and core dump do not flood a log', (t) => {
  const error = createNativeError('trap', 'x', { frames: [outer], coredump: new Uint8Array(3) }) as TrapError
  t.is(error.coredump?.length, 3)
  t.deepEqual(Object.keys(error).sort(), ['code', 'trapCode'])
  t.notRegex(inspect(error), /functionIndex|Uint8Array/)
})

test('other kinds keep the frames as wasmFrames', (t) => {
  const error = createNativeError('stack-overflow', 'ignored', { frames: [outer] })
  t.is(error.message, 'Maximum call stack size exceeded')
  t.deepEqual(wasmFramesOf(error), [outer])
})

test('an internal error, and a kind nobody knows, ask for a report', (t) => {
  for (const kind of ['internal', 'from-the-future']) {
    const error = createNativeError(kind as NativeErrorKind, 'oops', undefined) as WasmtimeError
    t.is(error.code, 'INTERNAL')
    t.regex(error.message, /^oops .*bug in node-wasmtime.*report/)
  }
})

test('a frame shows names, types and place', (t) => {
  const host = false
  t.is(renderFrame({ moduleName: 'm', functionName: 'f', signature: '(i32,i32) i32', host }), 'm.f(i32,i32) i32')
  t.is(renderFrame({ functionIndex: 7, signature: '()', host }), '.$7()')
  t.is(renderFrame({ moduleName: 'm', functionName: '', functionIndex: 7, host }), 'm.$7')
  t.is(renderFrame({ host }), '.$?')
  t.is(renderFrame({ functionIndex: 0, signature: '()', moduleOffset: 31, host }), '.$0() (at 0x1f)')
  t.is(renderFrame({ functionIndex: 0, moduleOffset: 0, functionOffset: 9, host }), '.$0 (at 0x0)')
  const source = { functionName: 'f', signature: '()', moduleOffset: 31, file: 'a.c', host }
  t.is(renderFrame({ ...source, line: 3, column: 9 }), '.f() (a.c:3:9)')
  t.is(renderFrame({ ...source, line: 3 }), '.f() (a.c:3)')
  t.is(renderFrame({ ...source, column: 9 }), '.f() (a.c)')
})

test('a guest cannot forge lines of a log by its names', (t) => {
  const frame = { moduleName: 'a\nb', functionName: '\u001b[31m\u2028\u202e', host: false }
  t.is(renderFrame(frame), 'a\\u{a}b.\\u{1b}[31m\\u{2028}\\u{202e}')
  t.true(renderFrame({ functionName: 'x'.repeat(1_000_000), host: false }).length < 300)
  t.is(renderFrame({ functionName: 'größe::<名前>', host: false }), '.größe::<名前>')
})

test('a trace shows at most 30 frames', (t) => {
  t.is(renderTrace([]), '')
  t.is(renderTrace([inner, outer]), '\nwasm stack trace:\n\tenv.f(i32) i32\n\t.$1(i32) i32')
  t.is(renderTrace(manyFrames(30)).split('\n').length, 32)
  t.notRegex(renderTrace(manyFrames(30)), /omitted/)
  const lines = renderTrace(manyFrames(31)).split('\n')
  t.is(lines.length, 33)
  t.is(lines.at(-2), '\t.$29')
  t.is(lines.at(-1), '\t... maybe followed by omitted frames')
})

test('frames are attached to an error without showing', (t) => {
  const error = new Error('boom')
  attachWasmFrames(error, [inner, outer])
  t.deepEqual(Object.getOwnPropertyDescriptor(error, 'wasmFrames'), {
    value: [inner, outer],
    enumerable: false,
    writable: true,
    configurable: true,
  })
  t.deepEqual(Object.keys(error), [])
  t.deepEqual(wasmFramesOf(error), [inner, outer])
})

test('further layers append, and leave an array that was read before alone', (t) => {
  const error = new Error('boom')
  attachWasmFrames(error, [inner])
  const first = (error as { wasmFrames?: unknown }).wasmFrames
  attachWasmFrames(error, [outer])
  t.deepEqual(first, [inner])
  t.deepEqual(wasmFramesOf(error), [inner, outer])
  attachWasmFrames(error, [])
  t.deepEqual(wasmFramesOf(error), [inner, outer])
})

test('an error that is thrown again and again does not grow without bound', (t) => {
  const error = new Error('reused')
  for (let round = 0; round < 1000; round++) attachWasmFrames(error, [inner, outer, outer])
  t.is(wasmFramesOf(error).length, 256)
})

test('a trap that passes further layers has its own frames first', (t) => {
  const error = createNativeError('trap', 'x', { frames: [inner] })
  attachWasmFrames(error, [outer])
  t.deepEqual(wasmFramesOf(error), [inner, outer])
})

test('errors of other realms and DOMExceptions get frames', (t) => {
  const foreign: unknown = runInNewContext('new RangeError("x")')
  const aborted: unknown = AbortSignal.abort().reason
  const derived = Object.create(Error.prototype) as object
  for (const error of [foreign, aborted, derived]) {
    attachWasmFrames(error, [inner])
    t.deepEqual(wasmFramesOf(error), [inner])
  }
})

test('values that are no errors are left alone', (t) => {
  const plain = { message: 'x' }
  const array: unknown[] = []
  const values = [undefined, null, 0, 1n, 'text', Symbol('s'), true, () => 1, plain, array, Promise.resolve()]
  for (const value of values) {
    t.notThrows(() => attachWasmFrames(value, [inner]))
    t.deepEqual(wasmFramesOf(value), [])
  }
  t.deepEqual(Reflect.ownKeys(plain), ['message'])
  t.deepEqual(Reflect.ownKeys(array), ['length'])
})

test('frozen, sealed and unwilling errors are left alone', (t) => {
  for (const lock of [Object.freeze, Object.seal, Object.preventExtensions]) {
    const error = lock(new Error('x')) as Error
    attachWasmFrames(error, [inner])
    t.false('wasmFrames' in error)
  }
  const own = Object.assign(new Error('x'), { wasmFrames: 'mine' })
  attachWasmFrames(own, [inner])
  t.is(own.wasmFrames, 'mine')
  t.deepEqual(wasmFramesOf(own), [])

  const fixed = Object.defineProperty(new Error('x'), 'wasmFrames', { value: [outer] })
  t.notThrows(() => attachWasmFrames(fixed, [inner]))
  t.deepEqual(wasmFramesOf(fixed), [outer])
})

test('getters and proxies in the way are neither run nor a reason to throw', (t) => {
  let runs = 0
  const fail = () => {
    runs++
    throw new Error('user code was run')
  }
  const traps = new Proxy({}, { get: () => fail }) as ProxyHandler<Error>
  const getter = Object.defineProperty(new Error('x'), 'wasmFrames', { get: fail, set: fail, configurable: true })
  const { proxy: revoked, revoke } = Proxy.revocable(new Error('x'), {})
  revoke()
  const hiddenArray = Object.assign(new Error('x'), { wasmFrames: new Proxy([], { get: fail }) })
  for (const value of [new Proxy(new Error('x'), traps), getter, revoked, hiddenArray]) {
    t.notThrows(() => attachWasmFrames(value, [inner]))
    t.deepEqual(wasmFramesOf(value), [])
  }
  t.is(runs, 0)

  // The one place that cannot be seen in advance: a proxy further up the prototype chain.
  const badChain = Object.create(new Proxy(Error.prototype, traps)) as object
  t.notThrows(() => attachWasmFrames(badChain, [inner]))
  t.deepEqual(wasmFramesOf(badChain), [])
})
