import { type PreparedFunc, coreKey, indexKey, native } from './native'
import type { StoreCore } from './store-core'

const { funcCall0, funcCall1, funcCall2, funcCall3, funcCall4, funcCallMany } = native

/**
 * @internal A function of a store as a plain JavaScript function; in async mode with `callAsync` as its `async`.
 *
 * It is a small closure over a raw Node-API function that all of them share. A Node-API function of its own would save
 * about a tenth of a call, but V8 keeps what it consists of until a thorough collection of the whole heap: with an
 * instance for each request, that is what the server would do most of the time.
 */
export function exportedFunction(
  core: StoreCore,
  index: number,
  func: PreparedFunc,
  name: string,
  callAsync: ((...args: any[]) => Promise<any>) | undefined,
  wrap?: (call: (...args: any[]) => any) => (...args: any[]) => any,
): (...args: any[]) => any {
  const count = native.funcParamCount(func)
  let call = callOf(func, name, count)
  const descriptor: PropertyDescriptor = { value: name }
  if (wrap !== undefined) {
    call = wrap(call)
    Object.defineProperty(call, 'name', descriptor)
  }
  if (call.length !== count) {
    descriptor.value = count
    Object.defineProperty(call, 'length', descriptor)
  }
  // The function alone must keep its store alive, and be recognised when it is used as a reference. One by one: V8 takes
  // half the time of `defineProperties`, and each export of each instance has such a function.
  descriptor.value = core
  Object.defineProperty(call, coreKey, descriptor)
  descriptor.value = index
  Object.defineProperty(call, indexKey, descriptor)
  if (callAsync !== undefined) {
    descriptor.value = callAsync
    Object.defineProperty(call, 'async', descriptor)
  }
  return call
}

/**
 * Fixed parameters, so that V8 passes them without an array; the native side checks their number, too. Methods, since they
 * have `arguments` and are no constructors, and computed names, since V8 makes a function slow that is renamed.
 */
function callOf(func: PreparedFunc, name: string, params: number): (...args: any[]) => any {
  const own = (methods: { [name: string]: (...args: any[]) => any }): any => methods[name]
  switch (params) {
    case 0:
      return own({
        [name]() {
          return arguments.length === 0 ? funcCall0(func) : funcCallMany(func, ...arguments)
        },
      })
    case 1:
      return own({
        [name](a: unknown) {
          return arguments.length === 1 ? funcCall1(func, a) : funcCallMany(func, ...arguments)
        },
      })
    case 2:
      return own({
        [name](a: unknown, b: unknown) {
          return arguments.length === 2 ? funcCall2(func, a, b) : funcCallMany(func, ...arguments)
        },
      })
    case 3:
      return own({
        [name](a: unknown, b: unknown, c: unknown) {
          return arguments.length === 3 ? funcCall3(func, a, b, c) : funcCallMany(func, ...arguments)
        },
      })
    case 4:
      return own({
        [name](a: unknown, b: unknown, c: unknown, d: unknown) {
          return arguments.length === 4 ? funcCall4(func, a, b, c, d) : funcCallMany(func, ...arguments)
        },
      })
    default:
      return own({
        [name](...args: unknown[]) {
          return funcCallMany(func, ...args)
        },
      })
  }
}
