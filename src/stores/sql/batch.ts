import type { SessionWrite } from "../../store.ts";
import type { Row } from "./rows.ts";

/** Statements that may be on their way at once before later calls wait for one of them. */
const LANES = 4;

/**
 * With so many calls on their way, later ones gather until a statement is back. Fewer and larger statements cost both sides
 * less: with 64 calls at once, MariaDB spends a fifth less on a change.
 */
const MANY = 8;

/** How long they gather at the most, in milliseconds: a slow statement must not hold up all. */
const PATIENCE = 10;

/** The most calls that go in one statement. */
const LARGEST = 64;

/** A larger value, in bytes, is written by a statement of its own. */
const LARGEST_TOGETHER = 16_384;

interface Waiting<Item, Answer> {
  item: Item;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/**
 * Makes one statement of the calls of one turn of the event loop, and of those that come while many are on their way. A
 * lone call waits for nothing: its turn ends with it.
 *
 * @param sendMany sends these items, 1 to 64 of them, and gives an answer for each, in their order.
 * @param fitting how many of so many waiting calls, at most 64, go in one statement. Default: all.
 */
function batched<Item, Answer>(sendMany: (items: Item[]) => Promise<Answer[]>, fitting = (waiting: number) => waiting) {
  let busy = 0;
  let underWay = 0;
  let queue: Waiting<Item, Answer>[] = [];
  let turnEnds: NodeJS.Immediate | undefined;
  let patienceEnds: NodeJS.Timeout | undefined;

  function gather(): void {
    if (busy === 0 || (busy < LANES && underWay < MANY)) turnEnds ??= setImmediate(sendNext);
    else if (busy < LANES) patienceEnds ??= setTimeout(sendNext, PATIENCE);
  }

  function sendNext(): void {
    clearImmediate(turnEnds);
    clearTimeout(patienceEnds);
    turnEnds = patienceEnds = undefined;
    send();
    if (queue.length > 0) gather();
  }

  async function send(): Promise<void> {
    const count = fitting(Math.min(queue.length, LARGEST));
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    busy++;
    underWay += count;
    try {
      const answers = await sendMany(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    busy--;
    underWay -= count;
    if (queue.length > 0) turnEnds ??= setImmediate(sendNext);
  }

  return (item: Item): Promise<Answer> =>
    new Promise((resolve, reject) => {
      queue.push({ item, resolve, reject });
      gather();
    });
}

/**
 * Reads the row of a key, batched. With 64 reads at once, PostgreSQL gives five times the rows that it gives one by one.
 *
 * @param readMany gives the live rows among different keys, in one statement.
 */
export function batchedRead(readMany: (keys: string[]) => Promise<Row[]>) {
  return batched<string, Row | undefined>(async (keys) => {
    const rows = new Map((await readMany([...new Set(keys)])).map((row) => [String(row.key), row]));
    return keys.map((key) => {
      const row = rows.get(key);
      // A second reader gets bytes of its own: what the first does to his is no business of the second.
      if (row !== undefined) rows.set(key, { ...row, value: Buffer.from(row.value) });
      return row;
    });
  });
}

/** A session that is to be written under a key. */
export interface Write {
  key: string;
  session: SessionWrite;
}

/** How to write one session, and how many of different keys at once. Both leave alone what is not to be written. */
export interface Writer<One extends Write> {
  /** True if it was written. */
  alone(write: One): Promise<boolean>;
  /** Gives the keys of those that were written. May leave out more than `alone` would, such as rows that others hold. */
  together(writes: One[]): Promise<string[]>;
  /** Whether an error says that the database did not want a statement, has undone it whole, and goes on. */
  isRefusal(error: unknown): boolean;
  /** How many of so many writes, at most 64, are best written together. Default: all. */
  fitting?(waiting: number): number;
}

/**
 * Writes a session, batched. True if it was written. What many could not write together is tried alone, so that each
 * caller gets the answer, or the error, of his own.
 */
export function batchedWrite<One extends Write>({ alone, together, isRefusal, fitting }: Writer<One>) {
  async function writeMany(writes: One[]): Promise<(boolean | undefined)[]> {
    if (writes.length === 1) return [await alone(writes[0]!)];
    const first = new Map<string, One>();
    for (const one of writes) if (!first.has(one.key)) first.set(one.key, one);
    try {
      const written = new Set(await together([...first.values()]));
      return writes.map((one) => (first.get(one.key) === one && written.has(one.key)) || undefined);
    } catch (error) {
      if (isRefusal(error)) return writes.map(() => undefined);
      throw error;
    }
  }
  const write = batched(writeMany, fitting);
  return async (one: One): Promise<boolean> =>
    (one.session.value.length > LARGEST_TOGETHER ? undefined : await write(one)) ?? alone(one);
}
