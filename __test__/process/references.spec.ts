import test from 'ava'

import { assertExit, runNode } from './run-node.ts'

const head = `
  const { Engine, Store, Linker, Module, Tag, WasmException } = wasmtime
  const engine = new Engine(), store = new Store(engine)
  const { exports } = new Linker(engine).instantiate(store, Module.compileSync(engine, \`(module
    (type $p (struct (field (mut anyref))))
    (type $a (array (mut i32)))
    (tag $t (export "t") (param externref))
    (func (export "struct") (param anyref) (result (ref $p)) (struct.new $p (local.get 0)))
    (func (export "array") (param i32) (result (ref $a)) (array.new $a (i32.const 7) (local.get 0)))
    (func (export "pass") (param anyref) (result anyref) (local.get 0))
    (func (export "throw") (param externref) (throw $t (local.get 0)))
    (global (export "g") (mut anyref) (ref.null any)))\`))
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  async function collected(refs) {
    for (let round = 0; round < 50; round++) {
      // What has been looked at stays alive until the end of the turn.
      await turn()
      gc()
      store.gc()
      await turn()
      gc()
      if (refs.every((ref) => ref.deref() === undefined)) return true
    }
    return false
  }`

async function passes(t: Parameters<typeof assertExit>[0], body: string) {
  const outcome = await runNode(`${head}\n(async () => {${body}\nconsole.log('end')})()`, { flags: ['--expose-gc'] })
  assertExit(t, outcome)
  t.is(outcome.stdout, 'end\n')
}

test('a struct lives as long as its handle, and what it holds ends with it', async (t) => {
  await passes(
    t,
    `let struct, held
    ;(() => { const value = { some: 'value' }; held = new WeakRef(value); struct = exports.struct(value) })()
    await turn()
    if (await collected([held])) throw new Error('lost although the handle is there')
    if (struct.get(0).some !== 'value') throw new Error('another value')
    struct = undefined
    if (!(await collected([held]))) throw new Error('kept without a handle')`,
  )
})

test('the guest keeps an object without a handle, which gets another one when it is shown again', async (t) => {
  await passes(
    t,
    `let handle, held
    ;(() => {
      const value = { some: 'value' }
      held = new WeakRef(value)
      exports.g.value = exports.struct(value)
      handle = new WeakRef(exports.g.value)
    })()
    await turn()
    if (!(await collected([handle]))) throw new Error('the handle is kept')
    if (held.deref() === undefined) throw new Error('the value is lost')
    const again = exports.g.value
    if (again.get(0).some !== 'value' || exports.g.value !== again || exports.pass(again) !== again) throw new Error('identity')
    exports.g.value = null`,
  )
})

test('an exception and what it carries end together', async (t) => {
  await passes(
    t,
    `let error, held
    ;(() => {
      const value = { some: 'value' }
      held = new WeakRef(value)
      try { exports.throw(value) } catch (thrown) { error = thrown }
    })()
    await turn()
    if (await collected([held])) throw new Error('lost although the exception is there')
    error = undefined
    if (!(await collected([held]))) throw new Error('kept')
    ;(() => { const value = {}; held = new WeakRef(value); new WasmException(exports.t, [value]) })()
    await turn()
    if (!(await collected([held]))) throw new Error('one that was never thrown is kept')`,
  )
})

test('100,000 handles leave nothing, whether the program yields or not', async (t) => {
  await passes(
    t,
    // A gigabyte, if it were kept.
    `for (let i = 0; i < 100000; i++) exports.array(2500)
    const rss = process.memoryUsage.rss() / 2 ** 20
    if (rss > 700) throw new Error('grown to ' + rss + ' MiB without yielding')
    const handles = []
    for (let i = 0; i < 100000; i++) {
      const array = exports.array(3)
      if (i % 1000 === 0) { handles.push(new WeakRef(array)); await turn() }
    }
    await turn()
    if (!(await collected(handles))) throw new Error('handles are kept')`,
  )
})

test('handles and exceptions outlive their store, their engine and collections in any order', async (t) => {
  await passes(
    t,
    `const kept = []
    for (let i = 0; i < 200; i++) {
      const store = new Store(engine)
      const tag = new Tag(store, { params: ['anyref'] })
      const { exports } = new Linker(engine).instantiate(store, Module.compileSync(engine, '(module (type $p (struct)) (func (export "f") (result (ref $p)) (struct.new $p)))'))
      const struct = exports.f()
      kept.push(struct, new WasmException(tag, [struct]), tag)
      if (i % 3 === 0) store.close()
      if (i % 20 === 0) { gc(); await turn() }
    }
    for (const item of kept) {
      try { if (item.payload) item.payload[0].length; else if (item.get) item.length; else item.type } catch (error) { if (error.code !== 'CLOSED') throw error }
    }
    kept.length = 0
    gc(); await turn(); gc(); await turn()`,
  )
})
