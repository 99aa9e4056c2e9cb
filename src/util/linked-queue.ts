// A queue that an item can leave from any place, without being kept in memory.

/** An item of a queue. It can be in one queue at a time. */
export interface Linked<Item> {
  before: Item | undefined;
  after: Item | undefined;
}

/**
 * A queue that an item can leave from any place. Its links are cut then, so that the queue does not keep it in memory, as
 * a Set would (docs/decisions/0028-linked-queues-instead-of-sets.md).
 */
export class LinkedQueue<Item extends Linked<Item>> {
  #first: Item | undefined;
  #last: Item | undefined;

  get first(): Item | undefined {
    return this.#first;
  }

  append(item: Item): void {
    item.before = this.#last;
    if (this.#last === undefined) this.#first = item;
    else this.#last.after = item;
    this.#last = item;
  }

  /** Does nothing if the item is not in the queue. */
  remove(item: Item): void {
    const { before, after } = item;
    if (before !== undefined) before.after = after;
    else if (this.#first === item) this.#first = after;
    if (after !== undefined) after.before = before;
    else if (this.#last === item) this.#last = before;
    item.before = undefined;
    item.after = undefined;
  }
}
