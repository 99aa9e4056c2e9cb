import { CoatcheckError, StoreError } from "../../errors.ts";

/** A client that is opened on first use, once; and again after a failure, so that none is lasting. */
export interface Lazy<Client> {
  /** @throws StoreError after `close`. */
  (): Promise<Client>;
  /** Shuts what was opened, if it was. */
  close(): Promise<void>;
}

export function onFirstUse<Client>(open: () => Promise<Client>, shut: (client: Client) => unknown): Lazy<Client> {
  let opening: Promise<Client> | undefined;
  let closed = false;

  function get(): Promise<Client> {
    if (closed) return Promise.reject(new StoreError("coatcheck: the store is closed."));
    opening ??= open().catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    const client = await opening?.catch(() => undefined);
    if (client !== undefined) await shut(client);
  }

  return Object.assign(get, { close });
}

/**
 * Runs a statement, up to three times if the database gave up on it to end a deadlock: it then undid it whole, so that
 * nothing happens twice.
 */
export async function despiteDeadlock<Result>(
  isDeadlock: (error: unknown) => boolean,
  run: () => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await run();
    } catch (error) {
      if (tries === 3 || !isDeadlock(error)) throw error;
    }
  }
}

/** The answer, unless it takes longer than so many milliseconds. @throws StoreError */
export async function within<Result>(timeout: number, answer: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new StoreError(`coatcheck: the database gave no answer for ${timeout} ms.`)),
      timeout,
    );
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What the caller gets for a client's error: which store it was, and what to do if only the table is missing. */
export function storeError(store: string, error: unknown, missing: boolean, table: string): CoatcheckError {
  if (error instanceof CoatcheckError) return error;
  if (missing) {
    return new StoreError(
      `coatcheck: ${store}: there is no table ${table}. Pass createTable: true, or run what schema() gives.`,
      error,
    );
  }
  return new StoreError(`coatcheck: ${store}: ${error instanceof Error ? error.message || error.name : error}`, error);
}
