/**
 * Programs that others have compiled to WebAssembly, from npm, and what they are made to do. They use the global
 * `WebAssembly`, whichever that is when they are loaded. `load` makes the function that does the work once; it returns
 * something that must be the same on every engine.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

const require = createRequire(new URL('./real/package.json', import.meta.url))

const digest = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 16)

/** Text that is neither random nor trivial: the same on every run. */
function prose(length) {
  const words = 'the guest runs in a store and calls its host which may wait for a promise or throw an error'.split(' ')
  let [text, state] = ['', 12345]
  while (text.length < length) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    text += words[(state >> 8) % words.length] + ((state >> 4) % 11 === 0 ? `. ${state}\n` : ' ')
  }
  return text.slice(0, length)
}

/** The program of resvg, the largest of them. */
export const readResvg = () => readFile(require.resolve('@resvg/resvg-wasm/index_bg.wasm'))

/** @type {{ name: string, load: () => Promise<() => unknown> }[]} */
export const realPrograms = [
  {
    name: 'SQLite: inserts, an index, joins',
    load: async () => {
      const SQL = await require('sql.js')()
      return () => {
        const db = new SQL.Database()
        db.run('CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, s TEXT); CREATE INDEX i ON t (k);')
        db.run(`WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 4000)
          INSERT INTO t SELECT n, (n * 7919) % 1009, hex(n * 31) FROM c`)
        const [{ values }] = db.exec(
          'SELECT count(*), sum(a.id + b.id), max(a.s || b.s) FROM t a JOIN t b ON a.k = b.k WHERE a.id < b.id',
        )
        db.close()
        return JSON.stringify(values)
      }
    },
  },
  {
    name: 'QuickJS: a sieve, strings, sorting',
    load: async () => {
      const { newQuickJSWASMModuleFromVariant } = require('quickjs-emscripten-core')
      const variant = require('@jitl/quickjs-wasmfile-release-sync')
      const quickjs = await newQuickJSWASMModuleFromVariant(variant.default ?? variant)
      return () =>
        quickjs.evalCode(`
          const flags = new Uint8Array(30000); let primes = 0
          for (let i = 2; i < flags.length; i++) if (!flags[i]) { primes++; for (let j = i * 2; j < flags.length; j += i) flags[j] = 1 }
          const words = Array.from({ length: 3000 }, (_, i) => 'w' + ((i * 7919) % 3001)).sort()
          primes + words.slice(0, 50).join() + words.map((w) => w.length).reduce((a, b) => a + b)`)
    },
  },
  {
    name: 'resvg: an SVG of 250 x 250 with gradients',
    load: async () => {
      const { initWasm, Resvg } = require('@resvg/resvg-wasm')
      await initWasm(await readResvg())
      const shapes = Array.from(
        { length: 25 },
        (_, i) =>
          `<path d="M${i * 8} 0 C ${500 - i * 5} ${i * 9}, ${i * 3} ${500 - i * 4}, ${i * 8} 500 L 250 ${i * 8} Z" fill="url(#g)" opacity="0.3"/>`,
      )
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="250" height="250" viewBox="0 0 500 500"><defs><linearGradient id="g">
        <stop offset="0" stop-color="#f00"/><stop offset="1" stop-color="#00f"/></linearGradient></defs>${shapes.join('')}</svg>`
      return () => {
        const resvg = new Resvg(svg)
        const image = resvg.render()
        const hash = digest(image.pixels)
        image.free()
        resvg.free()
        return hash
      }
    },
  },
  {
    name: 'Brotli: 100 KB at quality 9, and back',
    load: async () => {
      const brotli = require('brotli-wasm')
      const bytes = new TextEncoder().encode(prose(100_000))
      return () => digest(brotli.decompress(brotli.compress(bytes, { quality: 9 })))
    },
  },
  {
    name: 'Zstandard: 500 KB at level 9, and back',
    load: async () => {
      const zstd = require('@bokuweb/zstd-wasm')
      await zstd.init()
      const bytes = new TextEncoder().encode(prose(500_000))
      return () => digest(zstd.decompress(zstd.compress(bytes, 9)))
    },
  },
  {
    name: 'Rollup (SWC): parses its own JavaScript',
    load: async () => {
      const { parse } = require('@rollup/wasm-node/dist/native.js')
      const code = await readFile(require.resolve('@rollup/wasm-node/dist/shared/parseAst.js'), 'utf8')
      return () => digest(parse(code, false, false))
    },
  },
]

const spin = (name, wat, ...args) => ({
  name,
  load: async (bytesOf) => {
    const { run } = new WebAssembly.Instance(new WebAssembly.Module(bytesOf(wat)), {}).exports
    return () => run(...args)
  },
})

/** Small loops, in which the checks cost most. */
export const loops = [
  spin(
    'fib(27)',
    `(module (func $run (export "run") (param i32) (result i32)
      (if (result i32) (i32.lt_s (local.get 0) (i32.const 2)) (then (local.get 0))
        (else (i32.add (call $run (i32.sub (local.get 0) (i32.const 1))) (call $run (i32.sub (local.get 0) (i32.const 2))))))))`,
    27,
  ),
  spin(
    'a sieve of 1,000,000',
    `(module (memory 20) (func (export "run") (param $n i32) (result i32) (local $i i32) (local $j i32) (local $count i32)
      (memory.fill (i32.const 0) (i32.const 0) (local.get $n))
      (local.set $i (i32.const 2))
      (loop $outer
        (if (i32.eqz (i32.load8_u (local.get $i))) (then
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (local.set $j (i32.add (local.get $i) (local.get $i)))
          (block $done (loop $inner
            (br_if $done (i32.ge_u (local.get $j) (local.get $n)))
            (i32.store8 (local.get $j) (i32.const 1))
            (local.set $j (i32.add (local.get $j) (local.get $i)))
            (br $inner)))))
        (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
      (local.get $count)))`,
    1_000_000,
  ),
  spin(
    'Mandelbrot, 120 x 120',
    `(module (func (export "run") (param $size i32) (result i32)
      (local $x i32) (local $y i32) (local $n i32) (local $sum i32)
      (local $cr f64) (local $ci f64) (local $zr f64) (local $zi f64) (local $t f64)
      (loop $rows
        (local.set $x (i32.const 0))
        (loop $columns
          (local.set $cr (f64.sub (f64.div (f64.mul (f64.convert_i32_s (local.get $x)) (f64.const 3)) (f64.convert_i32_s (local.get $size))) (f64.const 2)))
          (local.set $ci (f64.sub (f64.div (f64.mul (f64.convert_i32_s (local.get $y)) (f64.const 2)) (f64.convert_i32_s (local.get $size))) (f64.const 1)))
          (local.set $zr (f64.const 0)) (local.set $zi (f64.const 0)) (local.set $n (i32.const 0))
          (block $out (loop $again
            (local.set $t (f64.add (f64.sub (f64.mul (local.get $zr) (local.get $zr)) (f64.mul (local.get $zi) (local.get $zi))) (local.get $cr)))
            (local.set $zi (f64.add (f64.mul (f64.mul (f64.const 2) (local.get $zr)) (local.get $zi)) (local.get $ci)))
            (local.set $zr (local.get $t))
            (br_if $out (f64.gt (f64.add (f64.mul (local.get $zr) (local.get $zr)) (f64.mul (local.get $zi) (local.get $zi))) (f64.const 4)))
            (br_if $again (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 200)))))
          (local.set $sum (i32.add (local.get $sum) (local.get $n)))
          (br_if $columns (i32.lt_s (local.tee $x (i32.add (local.get $x) (i32.const 1))) (local.get $size))))
        (br_if $rows (i32.lt_s (local.tee $y (i32.add (local.get $y) (i32.const 1))) (local.get $size))))
      (local.get $sum)))`,
    120,
  ),
]
