/** First in, first out, of things that are all different; any of them can be taken out early. Nothing takes longer for many. */
export class Fifo<T> {
  #items = new Set<T>()
  /** Stands before the first. Kept, since a new one would pass over all that is gone. */
  #first = this.#items.values()

  get length(): number {
    return this.#items.size
  }

  push(item: T): void {
    this.#items.add(item)
  }

  shift(): T | undefined {
    if (this.#items.size === 0) return undefined
    const item = this.#first.next().value as T
    this.#items.delete(item)
    return item
  }

  /** Puts them before all others; this takes longer the more there are. */
  unshift(items: Iterable<T>): void {
    this.#items = new Set([...items, ...this.#items])
    this.#first = this.#items.values()
  }

  delete(item: T): void {
    this.#items.delete(item)
  }

  clear(): void {
    this.#items.clear()
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items.values()
  }
}
