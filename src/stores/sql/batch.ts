import type { SessionWrite } from "../../store.ts";
import type { Row } from "./rows.ts";

/** Statements that may be on their way at once before later calls wait for one of them. */
const LANES = 4;

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
 * Makes one statement of the calls of one turn of the event loop, and of those that come while a few statements are on
 * their way. A lone call waits for nothing: its turn ends with it.
 *
 * @param sendMany sends these items, 1 to 64 of them, and gives an answer for each, in their order.
 */
function batched<Item, Answer>(sendMany: (items: Item[]) => Promise<Answer[]>) {
  let busy = 0;
  let isGathering = false;
  let queue: Waiting<Item, Answer>[] = [];

  function gather(): void {
    if (isGathering) return;
    isGathering = true;
    setImmediate(() => {
      isGathering = false;
      while (queue.length > 0 && busy < LANES) send();
    });
  }

  async function send(): Promise<void> {
    const batch = queue.slice(0, LARGEST);
    queue = queue.slice(LARGEST);
    busy++;
    try {
      const answers = await sendMany(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    busy--;
    if (queue.length > 0) gather();
  }

  return (item: Item): Promise<Answer> =>
    new Promise((resolve, reject) => {
      queue.push({ item, resolve, reject });
      if (busy < LANES) gather();
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
}

/**
 * Writes a session, batched. True if it was written. What many could not write together is tried alone, so that each
 * caller gets the answer, or the error, of his own.
 */
export function batchedWrite<One extends Write>({ alone, together, isRefusal }: Writer<One>) {
  const write = batched<One, boolean | undefined>(async (writes) => {
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
  });
  return async (one: One): Promise<boolean> =>
    (one.session.value.length > LARGEST_TOGETHER ? undefined : await write(one)) ?? alone(one);
}
