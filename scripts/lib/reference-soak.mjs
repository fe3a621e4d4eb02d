/** Variants of the soak script: structs, arrays and exceptions of wasm, which JavaScript holds by handles. */
import { Engine, Linker, Module, Store, Tag, WasmException } from '../../index.mjs'

const GUEST = `(module
  (type $p (struct (field i32) (field (mut anyref))))
  (type $a (array (mut i32)))
  (import "m" "tag" (tag $t (param i32 externref)))
  (import "m" "f" (func $f (param anyref) (result anyref)))
  (func (export "struct") (param i32 anyref) (result (ref $p)) (struct.new $p (local.get 0) (local.get 1)))
  (func (export "array") (param i32) (result (ref $a)) (array.new $a (i32.const 7) (local.get 0)))
  (func (export "f") (param anyref) (result anyref) (call $f (local.get 0)))
  (func (export "throw") (param i32 externref) (throw $t (local.get 0) (local.get 1)))
  (func (export "catch") (param i32) (result i32)
    (block $caught (result i32 externref)
      (try_table (catch $t $caught) (drop (call $f (ref.null any))))
      (return (i32.const -1)))
    (drop)))`

function expect(actual, wanted) {
  if (actual !== wanted) throw new Error(`expected ${wanted}, got ${actual}`)
}

async function open(mode, f) {
  const engine = new Engine()
  const store = new Store(engine, { mode })
  const tag = new Tag(store, { params: ['i32', 'externref'] })
  const linker = new Linker(engine)
    .define('m', 'tag', tag)
    .func('m', 'f', { params: ['anyref'], results: ['anyref'] }, f)
  const module = Module.compileSync(engine, GUEST)
  const instance = mode === 'sync' ? linker.instantiate(store, module) : await linker.instantiateAsync(store, module)
  return { engine, store, tag, exports: instance.exports }
}

/** Objects with a JavaScript value in each, through a host function and back. */
function objects(mode) {
  const opened = open(mode, (value) => (mode === 'sync' ? value : Promise.resolve(value)))
  let store
  const round = async (n) => {
    const { exports, store: its } = await opened
    store = its
    for (let i = 0; i < 5; i++) {
      const value = { n, text: `value ${i}` }
      const struct = mode === 'sync' ? exports.struct(n, value) : await exports.struct.async(n, value)
      expect(struct.get(1), value)
      const array = mode === 'sync' ? exports.array(10) : await exports.array.async(10)
      expect(mode === 'sync' ? exports.f(array) : await exports.f.async(array), array)
    }
  }
  const stats = () => (store.close(), { objects: 0 })
  return { round, stats, yields: 100 }
}

/** Exceptions out of the guest, and out of a host function into the guest. */
function exceptions(mode) {
  let raise
  const opened = open(mode, () => raise())
  const round = async (n) => {
    const { exports, tag, store } = await opened
    const value = { n }
    try {
      await (mode === 'sync' ? exports.throw(n, value) : exports.throw.async(n, value))
      expect('a result', 'an exception')
    } catch (error) {
      expect(error.payload?.[1], value)
    }
    raise = () => {
      throw new WasmException(tag, [n, value])
    }
    expect(mode === 'sync' ? exports.catch(n) : await exports.catch.async(n), n)
    if (n % 5000 === 0) store.gc()
  }
  return { round, stats: () => ({}), yields: 100 }
}

/** Stores that are closed, or dropped, with handles of theirs in JavaScript. */
function stores(close) {
  const engine = new Engine()
  const module = Module.compileSync(engine, '(module (type $p (struct (field i32))) (func (export "struct") (result (ref $p)) (struct.new_default $p)))') // prettier-ignore
  const round = () => {
    const store = new Store(engine)
    const { exports } = new Linker(engine).instantiate(store, module)
    const kept = [exports.struct(), exports.struct()]
    expect(kept[0] === kept[1], false)
    if (close) store.close()
  }
  return { round, stats: () => engine.stats(), yields: 100 }
}

export const referenceVariants = {
  objects: () => objects('sync'),
  asyncObjects: () => objects('async'),
  exceptions: () => exceptions('sync'),
  asyncExceptions: () => exceptions('async'),
  objectStores: () => stores(true),
  objectStoresDropped: () => stores(false),
}
