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
  // Fixed parameters, so that V8 passes them without an array; the native side checks their number, too.
  let call: (...args: any[]) => any
  switch (native.funcParamCount(func)) {
    case 0:
      call = function () {
        return arguments.length === 0 ? funcCall0(func) : funcCallMany(func, ...arguments)
      }
      break
    case 1:
      call = function (a: unknown) {
        return arguments.length === 1 ? funcCall1(func, a) : funcCallMany(func, ...arguments)
      }
      break
    case 2:
      call = function (a: unknown, b: unknown) {
        return arguments.length === 2 ? funcCall2(func, a, b) : funcCallMany(func, ...arguments)
      }
      break
    case 3:
      call = function (a: unknown, b: unknown, c: unknown) {
        return arguments.length === 3 ? funcCall3(func, a, b, c) : funcCallMany(func, ...arguments)
      }
      break
    case 4:
      call = function (a: unknown, b: unknown, c: unknown, d: unknown) {
        return arguments.length === 4 ? funcCall4(func, a, b, c, d) : funcCallMany(func, ...arguments)
      }
      break
    default:
      call = (...args: unknown[]) => funcCallMany(func, ...args)
  }
  const { length } = call
  if (wrap !== undefined) call = wrap(call)
  return Object.defineProperties(call, {
    name: { value: name },
    length: { value: length },
    // The function alone must keep its store alive, and be recognised when it is used as a reference.
    [coreKey]: { value: core },
    [indexKey]: { value: index },
    ...(callAsync === undefined ? {} : { async: { value: callAsync } }),
  })
}
