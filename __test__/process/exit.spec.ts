import test from 'ava'

import { assertExit, root, runForJson, runNode } from './run-node.ts'

const open = `const runtime = new wasmtime.Runtime()
runtime.newHostModuleBuilder('m').newFunctionBuilder().withFunc((n) => n + 1, ['i32'], ['i32']).export('f')
  .exportMemory('memory', { min: 2 }).instantiate()
const wat = '(module (import "m" "f" (func $f (param i32) (result i32))) (memory (export "memory") 1)' +
  '(func (export "run") (param i32) (result i32) (call $f (local.get 0))))'
const compiled = runtime.compileModuleSync(wat)
const kept = []
for (let i = 0; i < 50; i++) kept.push(runtime.instantiate(compiled, { name: i % 2 === 0 ? '' : 'n' + i }))
for (const instance of kept) if (instance.exports.run(1) !== 2) throw new Error('wrong result')
for (let i = 0; i < 50; i += 5) kept[i].close()
`

test('a process ends with open and closed stores', async (t) => {
  const outcome = await runNode(open)
  assertExit(t, outcome)
  t.is(outcome.stderr, '')
})

for (const code of [0, 1, 42, 255]) {
  test(`process.exit(${code}) keeps its code with open stores`, async (t) => {
    assertExit(t, await runNode(`${open} process.exit(${code})`), code)
  })

  test(`process.exitCode = ${code} is kept with open stores`, async (t) => {
    assertExit(t, await runNode(`${open} process.exitCode = ${code}`), code)
  })
}

test('handlers of beforeExit and exit may use the whole API, also after a close', async (t) => {
  const outcome = await runNode(`${open}
    const use = (name) => {
      const instance = runtime.instantiate(compiled, { name: '' })
      instance.memory.writeString(0, name)
      console.log(name, instance.exports.run(kept[1].exports.run(1)), instance.memory.readString(0, name.length))
      try { runtime.instantiate('(module (func (export "f") unreachable))', { name: '' }).exports.f() }
      catch (error) { console.log(error.trapCode) }
    }
    process.once('beforeExit', () => use('beforeExit'))
    process.on('exit', () => {
      use('exit')
      runtime.close()
      try { kept[1].exports.run(1) } catch (error) { console.log(error.code) }
    })`)
  assertExit(t, outcome)
  t.is(outcome.stdout, 'beforeExit 3 beforeExit\nunreachable\nexit 3 exit\nunreachable\nEXIT\n')
})

test('an exit handler that throws inside a host function ends the process with the code for that', async (t) => {
  const outcome = await runNode(`${open}
    runtime.newHostModuleBuilder('bad').newFunctionBuilder().withFunc(() => { throw new Error('late') }, [], [])
      .export('f').instantiate()
    process.on('exit', () => runtime.instantiate('(module (import "bad" "f" (func $f)) (start $f))'))`)
  t.is(outcome.signal, null)
  t.not(outcome.status, 0)
  t.regex(outcome.stderr, /late/)
})

test('loading the package again after its cache was emptied gives a working one, and the first stays whole', async (t) => {
  const outcome = await runNode(`${open}
    const path = Object.keys(require.cache).find((name) => require.cache[name].exports === wasmtime)
    const refused = (run) => { try { run() } catch (thrown) { return thrown } }
    for (let round = 0; round < 5; round++) {
      for (const name of Object.keys(require.cache)) delete require.cache[name]
      const again = require(path)
      if (again === wasmtime) throw new Error('not loaded again')
      const instance = new again.Runtime().instantiate('(module (func (export "f") unreachable))')
      const trap = refused(() => instance.exports.f())
      if (!(trap instanceof again.TrapError)) throw new Error('wrong class', { cause: trap })
      if (kept[1].exports.run(1) !== 2) throw new Error('wrong result')
      if (!(refused(() => kept[1].exports.run()) instanceof TypeError)) throw new Error('not refused')
    }
    console.log('done')`)
  assertExit(t, outcome)
  t.is(outcome.stdout, 'done\n')
})

test('require and import give the same classes', async (t) => {
  const outcome = await runNode(
    `import(process.argv.at(-1)).then((esm) => {
      for (const name of Object.keys(wasmtime)) if (esm[name] !== wasmtime[name]) throw new Error(name)
      console.log(Object.keys(wasmtime).length > 30)
    })`,
    { args: [new URL('../../index.mjs', import.meta.url).href] },
  )
  assertExit(t, outcome)
  t.is(outcome.stdout, 'true\n')
})

test('a compiled module that is sent to a Worker arrives as a plain object, which is refused', async (t) => {
  const script = `const { Worker } = require('node:worker_threads')
    const compiled = new wasmtime.Runtime().compileModuleSync('(module)')
    const worker = new Worker(\`
      const { Runtime } = require(process.argv[2])
      const { parentPort, workerData } = require('node:worker_threads')
      try { new Runtime().instantiate(workerData) } catch (error) { parentPort.postMessage(error.code) }
    \`, { eval: true, workerData: compiled, argv: [process.cwd() + '/index.js'] })
    worker.on('message', (code) => console.log(JSON.stringify(code)))`
  t.is(await runForJson<string>(t, script, { cwd: root }), 'INVALID_ARGUMENT')
})
