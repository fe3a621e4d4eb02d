const nothing: ReadonlySet<never> = new Set()

/** First in, first out, of things that are all different; any of them can be taken out early. Nothing takes longer for many. */
export class Fifo<T> {
  /** Made with the first item: most stores never have a call that waits for its turn. */
  #items: Set<T> | undefined
  /** Stands before the first. Kept, since a new one would pass over all that is gone. */
  #first: Iterator<T> | undefined

  get length(): number {
    return this.#items?.size ?? 0
  }

  push(item: T): void {
    if (this.#items === undefined) this.#begin([item])
    else this.#items.add(item)
  }

  shift(): T | undefined {
    if (this.#items === undefined || this.#first === undefined || this.#items.size === 0) return undefined
    const item = this.#first.next().value as T
    this.#items.delete(item)
    return item
  }

  /** Puts them before all others; this takes longer the more there are. */
  unshift(items: Iterable<T>): void {
    this.#begin([...items, ...this])
  }

  delete(item: T): void {
    this.#items?.delete(item)
  }

  clear(): void {
    this.#items?.clear()
  }

  [Symbol.iterator](): Iterator<T> {
    return (this.#items ?? nothing).values() as Iterator<T>
  }

  #begin(items: readonly T[]): void {
    this.#items = new Set(items)
    this.#first = this.#items.values()
  }
}
