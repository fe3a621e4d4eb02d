import { LimitError } from './errors'
import { type Binding, native } from './native'
import { Operation } from './operation'
import type { Stopper } from './stopper'
import type { StoreCore } from './store-core'

/**
 * @internal Makes an instance in a store of async mode. Its slot is taken before this returns, so `object` must have been
 * made for the next one.
 */
export async function beginInstance(
  core: StoreCore,
  pre: Binding.InstancePre,
  object: object,
  stopper: Stopper,
): Promise<void> {
  const slot = core.nextSlot
  const attempt = async (again?: number): Promise<void> => {
    const operation = new Operation(core, pre.beginInstance(core.handle, object, again), object)
    stopper.watch(operation)
    await operation.run()
  }
  try {
    await attempt()
  } catch (error) {
    if (!(error instanceof LimitError) || core.closed) throw error
    // Perhaps what is in the way is only waiting to be collected.
    native.collectStores()
    await attempt(slot)
  }
}
