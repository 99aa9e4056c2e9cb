/**
 * Where an entry is: the number of its page, and which one of the page it is, in 31 bits. 0 is nowhere.
 * An entry moves when another one is freed, so no reference is kept over a call that frees.
 */
export type Ref = number;

/** The longest entry that an arena takes, in bytes. */
export const LONGEST = 4096;
/** What an entry takes at least. */
const SHORTEST = 64;

/**
 * Entries as bytes outside of JavaScript's heap, so that the garbage collector has nothing to look at.
 *
 * Entries of one size lie in a stack of pages without a gap: where one is freed, the last one of the stack moves in. So
 * nothing is wasted however entries come, grow and go, no freed place is searched for, and there is nothing to compact.
 */
export class Arena {
  readonly #pages: Page[] = [NO_PAGE];
  readonly #freeNumbers: number[] = [];
  /** By size in words. */
  readonly #stacks: Stack[] = [];
  /** The page that was given up last, for a stack that goes up and down at the end of a page. */
  #spare = NO_PAGE;
  readonly #moved: (from: Ref, to: Ref) => void;

  /** `moved` is told of each entry that lies somewhere else now, while its bytes are still at both places. */
  constructor(moved: (from: Ref, to: Ref) => void) {
    this.#moved = moved;
  }

  /** Room for an entry of so many bytes. What is in it is left over from others. */
  allocate(bytes: number): Ref {
    const size = sizeFor(bytes);
    let stack = this.#stacks[size >>> 2];
    if (stack === undefined) this.#stacks[size >>> 2] = stack = { size, pages: [], used: 0, capacity: 0 };
    if (stack.used === stack.capacity) this.#grow(stack);
    return refTo(stack, stack.used++);
  }

  free(ref: Ref): void {
    const { stack } = this.page(ref);
    const last = refTo(stack, --stack.used);
    if (last !== ref) {
      this.copy(last, ref, stack.size);
      this.#moved(last, ref);
    }
    if (stack.used === 0 && stack.pages.length > 1) this.#shrink(stack);
  }

  /** True if an entry of so many bytes takes the same room as this one. */
  fits(ref: Ref, bytes: number): boolean {
    return this.page(ref).stack.size === sizeFor(bytes);
  }

  copy(from: Ref, to: Ref, bytes: number): void {
    const source = this.page(from);
    const target = this.page(to);
    const start = wordOf(source, from);
    const offset = wordOf(target, to) - start;
    for (let word = start; word < start + (bytes >>> 2); word++) target.words[word + offset] = source.words[word]!;
  }

  page(ref: Ref): Page {
    return this.#pages[ref >>> INDEX_BITS]!;
  }

  /** A 32-bit number of the entry. */
  get(ref: Ref, word: number): number {
    const page = this.page(ref);
    return page.words[wordOf(page, ref) + word]!;
  }

  set(ref: Ref, word: number, to: number): void {
    const page = this.page(ref);
    page.words[wordOf(page, ref) + word] = to;
  }

  #grow(stack: Stack): void {
    // A stack begins small: a process with few sessions has as many sizes as sessions.
    const bytes = Math.min(PAGE_BYTES, FIRST_PAGE_BYTES * 2 ** stack.pages.length);
    const page = this.#spare.bytes.length === bytes ? this.#spare : newPage(bytes);
    if (page === this.#spare) this.#spare = NO_PAGE;
    const number = this.#freeNumbers.pop() ?? this.#pages.length;
    if (number === MAX_PAGES)
      throw new RangeError("coatcheck: the memory store is full: it takes 128 GiB. Set maxBytes.");
    page.stack = stack;
    page.entryWords = stack.size >>> 2;
    this.#pages[number] = page;
    stack.pages.push(number);
    stack.used = 0;
    stack.capacity = capacity(page);
  }

  /** Gives up the last page. The first one stays, or an only session that grows and shrinks would take a new page each time. */
  #shrink(stack: Stack): void {
    const number = stack.pages.pop()!;
    this.#spare = this.#pages[number]!;
    this.#pages[number] = NO_PAGE;
    this.#freeNumbers.push(number);
    stack.capacity = stack.used = capacity(this.#pages[stack.pages.at(-1)!]!);
  }
}

interface Page {
  readonly words: Int32Array;
  readonly bytes: Buffer;
  stack: Stack;
  entryWords: number;
}

/** The entries of one size. */
interface Stack {
  readonly size: number;
  readonly pages: number[];
  /** Entries in the last page, and how many fit. */
  used: number;
  capacity: number;
}

/** A page holds fewer than 2 ** 15 of the shortest. */
const INDEX_BITS = 15;
const MAX_PAGES = 2 ** (31 - INDEX_BITS);
// Few, so that what describes them stays in the caches, and as large as the system's huge pages. Less than a power of two
// by what malloc adds, or each page would begin one more page of the system's.
const PAGE_BYTES = 2 * 1024 * 1024 - 64;
const FIRST_PAGE_BYTES = 16 * 1024 - 64;

const NO_PAGE = newPage(0);

function newPage(bytes: number): Page {
  const buffer = new ArrayBuffer(bytes);
  const stack = { size: SHORTEST, pages: [], used: 0, capacity: 0 };
  return { words: new Int32Array(buffer), bytes: Buffer.from(buffer), stack, entryWords: 0 };
}

function capacity({ bytes, stack }: Page): number {
  return Math.floor(bytes.length / stack.size);
}

function refTo({ pages }: Stack, index: number): Ref {
  return (pages[pages.length - 1]! << INDEX_BITS) | index;
}

/** The first 32-bit word of an entry in its page. */
export function wordOf({ entryWords }: Page, ref: Ref): number {
  return (ref & (2 ** INDEX_BITS - 1)) * entryWords;
}

/** Steps of 4 bytes up to 512, then of a 64th at most. */
function sizeFor(bytes: number): number {
  const step = 1 << Math.max(2, 25 - Math.clz32(bytes - 1));
  return Math.max(SHORTEST, (bytes + step - 1) & -step);
}
