function thrower(what: string): () => never {
  return () => {
    throw new Error(what)
  }
}

/** A proxy that answers every question by throwing. */
export function throwingProxy(target: object): any {
  const traps = Reflect.ownKeys(Reflect).filter((name) => typeof name === 'string')
  return new Proxy(target, Object.fromEntries(traps.map((name) => [name, thrower(`trap ${name}`)])))
}

function revokedProxy(target: object): any {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

function detached<T extends ArrayBufferView>(make: (buffer: ArrayBuffer) => T): T {
  const buffer = new ArrayBuffer(64)
  const view = make(buffer)
  structuredClone(buffer, { transfer: [buffer] })
  return view
}

function detachedBuffer(): ArrayBuffer {
  const buffer = new ArrayBuffer(8)
  structuredClone(buffer, { transfer: [buffer] })
  return buffer
}

/** An `ArrayBuffer` that can be resized, or a plain one where the runtime has none. */
export function resizableBuffer(length: number, maximum: number): ArrayBuffer & { resize?(length: number): void } {
  const Resizable = ArrayBuffer as new (length: number, options: { maxByteLength: number }) => ArrayBuffer
  return new Resizable(length, { maxByteLength: maximum })
}

/** An object that `await` takes for a promise. */
export function thenable(then: (resolve: (value: unknown) => void) => void): object {
  return Object.defineProperty({}, String('then'), { value: then })
}

/** A buffer that was shortened after the view over it was made, so that the view is out of bounds. */
function outOfBounds(): Uint8Array {
  const buffer = resizableBuffer(64, 128)
  const view = new Uint8Array(buffer, 32, 16)
  buffer.resize?.(8)
  return view
}

const getters = [
  'module', 'name', 'params', 'results', 'content', 'mutable', 'element', 'minimum', 'maximum', 'is64', 'min', 'max',
  'withInstance', 'context', 'startFunctions', 'simd', 'pooling', 'optLevel', 'length', 'then', 'cause', 'problems',
  'frames', 'trapCode', 'offset', 'coredump', 'results',
] // prettier-ignore

/** An object whose properties throw when they are read. */
function throwingGetters(): object {
  const object = {}
  for (const name of new Set(getters)) {
    Object.defineProperty(object, name, { enumerable: true, get: thrower(`getter ${name}`) })
  }
  return object
}

/** Makers of values of every kind that JavaScript has, the nasty ones first of all. */
export const oddValues: readonly (readonly [label: string, make: () => any])[] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['true', () => true],
  ['0', () => 0],
  ['-0', () => -0],
  ['1', () => 1],
  ['2', () => 2],
  ['-1', () => -1],
  ['1.5', () => 1.5],
  ['65535', () => 65535],
  ['2^31', () => 2 ** 31],
  ['2^32', () => 2 ** 32],
  ['2^53', () => 2 ** 53],
  ['2^64', () => 2 ** 64],
  ['NaN', () => NaN],
  ['Infinity', () => Infinity],
  ['-Infinity', () => -Infinity],
  ['0n', () => 0n],
  ['-1n', () => -1n],
  ['2n^64n', () => 2n ** 64n],
  ['2n^4000n', () => 2n ** 4000n],
  ['""', () => ''],
  ['"x"', () => 'x'],
  ['"1"', () => '1'],
  ['a lone surrogate', () => '\ud800'],
  ['a string with NUL', () => 'a\0b'],
  ['a long string', () => 'y'.repeat(100_000)],
  ['"i32"', () => 'i32'],
  ['"__proto__"', () => '__proto__'],
  ['WAT', () => '(module)'],
  ['deep WAT', () => '('.repeat(50_000)],
  ['a symbol', () => Symbol('odd')],
  ['Symbol.iterator', () => Symbol.iterator],
  ['an object', () => ({})],
  ['an object without prototype', () => Object.create(null)],
  ['a frozen object', () => Object.freeze({ a: 1 })],
  ['an array', () => []],
  ['an array of types', () => ['i32', 'i64']],
  ['a sparse huge array', () => Object.assign([], { length: 2 ** 32 - 1 })],
  ['a long array', () => Array.from({ length: 5000 }, () => 'i32')],
  ['an array with holes', () => [, 'i32', ,]], // oxlint-disable-line no-sparse-arrays
  ['a function type', () => ({ params: ['i32'], results: ['i32'] })],
  ['limits', () => ({ minimum: 1, maximum: 2 })],
  ['reversed limits', () => ({ minimum: 2, maximum: 1 })],
  ['a global type', () => ({ content: 'i64', mutable: true })],
  ['a table type', () => ({ element: 'externref', minimum: 3 })],
  ['a context', () => ({ context: Symbol('context') })],
  ['a function', () => () => 1],
  ['a throwing function', () => thrower('called')],
  ['an async function', () => async () => 1],
  ['a generator function', () => function* generate() {}],
  ['a class', () => class Odd {}],
  ['a bound function', () => Math.max.bind(null)],
  ['a proxy whose traps throw', () => throwingProxy({})],
  ['an array proxy whose traps throw', () => throwingProxy([])],
  ['a function proxy whose traps throw', () => throwingProxy(() => 1)],
  ['a revoked proxy', () => revokedProxy({})],
  ['a revoked array proxy', () => revokedProxy([])],
  ['a revoked function proxy', () => revokedProxy(() => 1)],
  ['a transparent proxy', () => new Proxy({ params: [], results: [] }, {})],
  ['an object with throwing getters', throwingGetters],
  ['an array with a throwing element', () => Object.defineProperty([], 0, { get: thrower('element') })],
  ['a Symbol.toPrimitive that throws', () => ({ [Symbol.toPrimitive]: thrower('toPrimitive') })],
  ['valueOf and toString that throw', () => ({ valueOf: thrower('valueOf'), toString: thrower('toString') })],
  ['an object that becomes 1', () => ({ valueOf: () => 1 })],
  ['a thenable', () => thenable((resolve) => resolve(1))],
  ['a thenable that throws', () => thenable(thrower('then'))],
  ['a promise', () => Promise.resolve(1)],
  ['a boxed number', () => new Number(1)], // oxlint-disable-line no-new-wrappers
  ['a boxed string', () => new String('x')], // oxlint-disable-line no-new-wrappers
  ['a boxed boolean', () => new Boolean(false)], // oxlint-disable-line no-new-wrappers
  ['a boxed bigint', () => Object(1n)],
  ['a boxed symbol', () => Object(Symbol('boxed'))],
  ['a date', () => new Date(NaN)],
  ['a regular expression', () => /x/g],
  ['an error', () => new Error('odd')],
  ['an error with a proxy as cause', () => new Error('odd', { cause: throwingProxy({}) })],
  ['a map', () => new Map([[1, 2]])],
  ['a set', () => new Set([1])],
  ['a weak reference', () => new WeakRef({})],
  ['a Uint8Array', () => new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])],
  ['an empty Uint8Array', () => new Uint8Array()],
  ['16 bytes', () => new Uint8Array(16).fill(255)],
  ['a Buffer', () => Buffer.from('\0asm')],
  ['an Int32Array', () => new Int32Array(4)],
  ['a Float64Array', () => new Float64Array([NaN, 1])],
  ['a BigInt64Array', () => new BigInt64Array(4)],
  ['a BigUint64Array', () => new BigUint64Array(4)],
  ['an empty BigUint64Array', () => new BigUint64Array()],
  ['a DataView', () => new DataView(new ArrayBuffer(8))],
  ['an ArrayBuffer', () => new ArrayBuffer(8)],
  ['a SharedArrayBuffer', () => new SharedArrayBuffer(8)],
  ['an array over shared memory', () => new Uint8Array(new SharedArrayBuffer(16))],
  ['a detached ArrayBuffer', detachedBuffer],
  ['a detached Uint8Array', () => detached((buffer) => new Uint8Array(buffer, 0, 16))],
  ['a detached BigUint64Array', () => detached((buffer) => new BigUint64Array(buffer))],
  ['a detached DataView', () => detached((buffer) => new DataView(buffer, 0, 8))],
  ['an array out of bounds', outOfBounds],
  ['an object with null handles', () => ({ handle: null, holder: [], index: 0 })],
  ['globalThis', () => globalThis],
  [
    'arguments',
    () =>
      (function args() {
        return arguments
      })(),
  ], // oxlint-disable-line
]
