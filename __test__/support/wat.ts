import wasmtime from '../../index.js'

type Engine = InstanceType<typeof wasmtime.Engine>
type Linker = InstanceType<typeof wasmtime.Linker>

/** Compiles WAT and instantiates it in a store of its own. */
export function instantiate(
  text: string,
  define?: (linker: Linker) => unknown,
  engine: Engine = new wasmtime.Engine(),
) {
  const store = new wasmtime.Store(engine)
  const linker = new wasmtime.Linker(engine)
  define?.(linker)
  const module = wasmtime.Module.compileSync(engine, text)
  const instance = linker.instantiate(store, module)
  return { engine, store, linker, module, instance, exports: instance.exports }
}

/** What a function throws, whatever it is. */
export function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('it did not throw')
}
