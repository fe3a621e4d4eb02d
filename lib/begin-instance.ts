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
  stopper: Stopper | undefined,
): Promise<void> {
  const slot = core.nextSlot
  const begin = (again?: number): Promise<unknown> =>
    new Operation(core, pre.beginInstance(core.handle, object, again), object).run(stopper)
  if ((await begin()) !== null) return
  // There was no memory. Perhaps what is in the way is only waiting to be collected.
  native.collectStores()
  await begin(slot)
}
