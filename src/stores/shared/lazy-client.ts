// A database client that is opened on first use, and its package, which is loaded before.

import { StoreError } from "../../errors.ts";

/** Returns the client, and opens it on the first call. If opening fails, the next call tries again. */
export interface LazyClient<Client> {
  /** @throws StoreError after `close`. */
  (): Promise<Client>;
  /** Closes a client that is of no more use. The next call opens another one. Does nothing with a client that was replaced. */
  discard(client: Client): void;
  /** Closes the client if it was opened. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * Makes a client that is opened on first use. Concurrent first calls open one client.
 *
 * @param open opens the client. If it fails, it closes what it has opened: the next call opens another one.
 * @param shut closes a client that `open` has returned.
 */
export function createLazyClient<Client>(
  open: () => Promise<Client>,
  shut: (client: Client) => unknown,
): LazyClient<Client> {
  let opening: Promise<Client> | undefined;
  let opened: Client | undefined;
  let discarding: Promise<unknown> | undefined;
  let isClosed = false;

  function get(): Promise<Client> {
    if (isClosed) {
      return Promise.reject(new StoreError("coatcheck: the store is closed.", undefined, { applied: false }));
    }
    opening ??= openAfter(discarding).catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  }

  async function openAfter(former: Promise<unknown> | undefined): Promise<Client> {
    await former;
    opened = await open();
    return opened;
  }

  function discard(client: Client): void {
    if (isClosed || client !== opened) return;
    opened = opening = undefined;
    discarding = Promise.resolve(client).then(shut).catch(ignore);
  }

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    await discarding;
    const client = await opening?.catch(ignore);
    if (client !== undefined) await shut(client);
  }

  return Object.assign(get, { discard, close });
}

/**
 * Begins to load a package, so that the first call of a store does not wait for it. The returned function gives the package.
 * If it can't be loaded, that function throws the reason, and each call of it tries again.
 */
export function preload<Package>(load: () => Promise<Package>): () => Promise<Package> {
  let loading: Promise<Package> | undefined;

  function get(): Promise<Package> {
    loading ??= load().catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  }

  get().catch(ignore);
  return get;
}

function ignore(): undefined {}
