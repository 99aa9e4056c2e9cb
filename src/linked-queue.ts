/** What can stand in a queue, one at a time. */
export interface Linked<Item> {
  before: Item | undefined;
  after: Item | undefined;
}

/**
 * A queue that anything can leave at any time. Its links are cut then, so that nobody who has left is kept alive, as he
 * would be by a Set (docs/decisions.md, "What comes and goes is not kept in a Set").
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

  /** Nothing happens to one that is not in it. */
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
