// Memory for entries, outside of JavaScript's heap.

/**
 * A reference to an entry, in 31 bits: the number of its page, and the entry's index in the page. 0 refers to no entry. A
 * call of `free` may move another entry, so references must not be kept across it.
 */
export type Ref = number;

/** The longest entry, in bytes. */
export const MAX_ENTRY_BYTES = 4096;
/** The least room for an entry, in bytes. */
const MIN_ENTRY_BYTES = 64;

/**
 * Memory for entries outside of JavaScript's heap, which the garbage collector does not scan.
 *
 * The entries of one size fill a stack of pages without gaps: the last entry of the stack moves to where one is freed. So
 * memory does not fragment, there is no search for free room, and nothing has to be compacted.
 */
export class Arena {
  readonly #pages: Page[] = [NO_PAGE];
  readonly #freeNumbers: number[] = [];
  /** By the size of the entries in words. */
  readonly #stacks: Stack[] = [];
  /** The page that was released last, for a stack that grows and shrinks across the end of a page. */
  #spare = NO_PAGE;
  readonly #onMove: (from: Ref, to: Ref) => void;

  /** `onMove` is called for each entry that moves. Its bytes are then in both locations. */
  constructor(onMove: (from: Ref, to: Ref) => void) {
    this.#onMove = onMove;
  }

  /** Room for an entry of this many bytes. It is not cleared. */
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
      this.#onMove(last, ref);
    }
    if (stack.used === 0 && stack.pages.length > 1) this.#shrink(stack);
  }

  /** True if an entry of this many bytes takes the same room as this one. */
  fits(ref: Ref, bytes: number): boolean {
    return this.page(ref).stack.size === sizeFor(bytes);
  }

  copy(from: Ref, to: Ref, bytes: number): void {
    const source = this.page(from);
    const target = this.page(to);
    const start = firstWordOf(source, from);
    const offset = firstWordOf(target, to) - start;
    for (let word = start; word < start + (bytes >>> 2); word++) target.words[word + offset] = source.words[word]!;
  }

  page(ref: Ref): Page {
    return this.#pages[ref >>> INDEX_BITS]!;
  }

  /** A 32-bit word of the entry. */
  get(ref: Ref, word: number): number {
    const page = this.page(ref);
    return page.words[firstWordOf(page, ref) + word]!;
  }

  set(ref: Ref, word: number, value: number): void {
    const page = this.page(ref);
    page.words[firstWordOf(page, ref) + word] = value;
  }

  #grow(stack: Stack): void {
    // The first pages are small: with few sessions, nearly each has a size of its own.
    const bytes = Math.min(PAGE_BYTES, FIRST_PAGE_BYTES * 2 ** stack.pages.length);
    const page = this.#spare.bytes.length === bytes ? this.#spare : newPage(bytes);
    if (page === this.#spare) this.#spare = NO_PAGE;
    const number = this.#freeNumbers.pop() ?? this.#pages.length;
    if (number === MAX_PAGES) {
      throw new RangeError("coatcheck: the memory store is full, with 128 GiB of sessions: set maxBytes.");
    }
    page.stack = stack;
    page.entryWords = stack.size >>> 2;
    this.#pages[number] = page;
    stack.pages.push(number);
    stack.used = 0;
    stack.capacity = capacity(page);
  }

  /** Releases the last page. A first page stays, so that one session that grows and shrinks does not allocate each time. */
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
  /** How many entries are in the last page. */
  used: number;
  /** How many entries fit in the last page. */
  capacity: number;
}

/** Fewer than 2 ** 15 of the shortest entries fit in a page. */
const INDEX_BITS = 15;
const MAX_PAGES = 2 ** (31 - INDEX_BITS);
// Large, so that the descriptions of all pages fit in the CPU's caches, and as large as a huge page of the system. Minus the
// header of malloc, or each page would take one more page of the system.
const PAGE_BYTES = 2 * 1024 * 1024 - 64;
const FIRST_PAGE_BYTES = 16 * 1024 - 64;

const NO_PAGE = newPage(0);

function newPage(bytes: number): Page {
  const buffer = new ArrayBuffer(bytes);
  const stack = { size: MIN_ENTRY_BYTES, pages: [], used: 0, capacity: 0 };
  return { words: new Int32Array(buffer), bytes: Buffer.from(buffer), stack, entryWords: 0 };
}

function capacity({ bytes, stack }: Page): number {
  return Math.floor(bytes.length / stack.size);
}

function refTo({ pages }: Stack, index: number): Ref {
  return (pages[pages.length - 1]! << INDEX_BITS) | index;
}

/** The first 32-bit word of an entry in its page. */
export function firstWordOf({ entryWords }: Page, ref: Ref): number {
  return (ref & (2 ** INDEX_BITS - 1)) * entryWords;
}

/** The room for an entry: in steps of 4 bytes up to 512, then of at most a 64th. */
function sizeFor(bytes: number): number {
  const step = 1 << Math.max(2, 25 - Math.clz32(bytes - 1));
  return Math.max(MIN_ENTRY_BYTES, (bytes + step - 1) & -step);
}
