import { isCommon, randomValue, show, thrown } from './values.mjs'

const MAX_DEPTH = 3

/**
 * The host of one module in one engine. What it does in its nth call depends on the seed and n alone, so two engines that
 * behave alike see the same; `log` is the proof.
 */
export class Host {
  log = []
  #random
  #depth = 0
  #side
  #callable

  /**
   * @param random Its own, made from the same seed for each engine.
   * @param side Whom it calls back.
   * @param exports Exports of the module.
   */
  constructor(random, side, exports) {
    this.#random = random
    this.#side = side
    this.#callable = exports.filter(
      ({ type }) => type.kind === 'func' && [...type.params, ...type.results].every(isCommon),
    )
  }

  /** A host function that is called and returns in place. */
  sync(index, type) {
    return (...args) => {
      const plan = this.#plan(index, type, args)
      if (plan.nested !== undefined) {
        this.#depth += 1
        this.log.push(this.#side.callSync(plan.nested.name, plan.nested.type, plan.nested.args))
        this.#depth -= 1
      }
      return this.#finish(plan, type)
    }
  }

  /** One that does the same with waiting in between. */
  async(index, type) {
    return async (...args) => {
      const plan = this.#plan(index, type, args)
      const turn = plan.turn
      if (turn === 1) await Promise.resolve()
      if (turn === 2) await new Promise((resolve) => setImmediate(resolve))
      if (plan.nested !== undefined) {
        this.#depth += 1
        this.log.push(await this.#side.call(plan.nested.name, plan.nested.type, plan.nested.args))
        this.#depth -= 1
      }
      if (turn === 3) await Promise.resolve()
      return this.#finish(plan, type)
    }
  }

  #plan(index, type, args) {
    const random = this.#random
    this.log.push(`host ${index}(${type.params.map((param, i) => show(param, args[i])).join(' ')})`)
    const throws = random.oneIn(12)
    const reason = random.below(thrown.length)
    const callee = random.oneIn(4) ? random.pick(this.#callable) : undefined
    const nested =
      callee === undefined || this.#depth >= MAX_DEPTH
        ? undefined
        : { ...callee, args: callee.type.params.map((param) => randomValue(random, param)) }
    const results = type.results.map((result) => randomValue(random, result))
    return { throws, reason, nested, results, turn: random.below(4) }
  }

  #finish({ throws, reason, results }, type) {
    if (throws) throw thrown[reason]
    const values = results.map((value, index) => this.#side.native(type.results[index], value))
    return values.length === 0 ? undefined : values.length === 1 ? values[0] : values
  }
}
