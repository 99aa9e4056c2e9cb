import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "../../errors.ts";
import type { Entity, Opened, QueryOptions, RequestOptions, TableClientLike } from "./table-client.ts";
import { asStoreError, isPassing, isRefusal, type Refusal } from "./table-faults.ts";

/** Requests to the service, over a connection that the first of them opens. */
export interface Requests {
  /** The service's answer, or which of the expected refusals it gave. Anything else is an error. */
  ask<T, R extends Refusal = never>(
    what: string,
    refusals: R[],
    request: (client: TableClientLike, options: RequestOptions) => Promise<T>,
  ): Promise<T | R>;
  /** Page by page. */
  query(what: string, filter: string, maxPageSize: number, select?: string[]): AsyncGenerator<Entity[], void>;
  close(): Promise<void>;
}

/** How often a request is made again after a fault that may pass, such as a connection that broke while it was idle. */
const RETRIES = 2;

export function requests(open: (timeout: number) => Promise<Opened>, timeout: number): Requests {
  let opening: Promise<Opened> | undefined;

  async function connect(): Promise<TableClientLike> {
    opening ??= open(timeout);
    const mine = opening;
    try {
      return (await mine).client;
    } catch (error) {
      if (opening === mine) opening = undefined;
      throw error;
    }
  }

  async function ask<T, R extends Refusal = never>(
    what: string,
    refusals: R[],
    request: (client: TableClientLike, options: RequestOptions) => Promise<T>,
  ): Promise<T | R> {
    const abortSignal = AbortSignal.timeout(timeout);
    // A delete whose answer was lost must not be told that there is nothing to delete, nor an update that somebody else was
    // first: that one may have written over it. A create finds its own version.
    let retries = what === "delete" || what === "update" ? 0 : RETRIES;
    for (;;) {
      let client: TableClientLike | undefined;
      try {
        client = await connect();
        return await request(client, { abortSignal });
      } catch (error) {
        // Only of the request itself, not of the table's creation.
        const refusal = client && refusals.find((refusal) => isRefusal(refusal, error));
        if (refusal !== undefined) return refusal;
        if (retries-- === 0 || !isPassing(error) || abortSignal.aborted) throw asStoreError(what, error, timeout);
        await sleep(50 + 100 * Math.random());
      }
    }
  }

  async function* query(what: string, filter: string, maxPageSize: number, select?: string[]) {
    const controller = new AbortController();
    let understood = false;
    const options: QueryOptions = {
      queryOptions: { filter, ...(select && { select }) },
      abortSignal: controller.signal,
      // The client takes an answer that is no list for an empty one.
      onResponse({ parsedBody }) {
        understood = Array.isArray((parsedBody as { value?: unknown } | undefined)?.value);
      },
    };
    let pages: AsyncIterator<object[]> | undefined;
    for (;;) {
      const timer = setTimeout(() => controller.abort(), timeout);
      try {
        pages ??= (await connect()).listEntities(options).byPage({ maxPageSize });
        const page = await pages.next();
        if (page.done) return;
        if (!understood) throw new StoreError("coatcheck: what answered is not Azure Table storage");
        clearTimeout(timer);
        yield page.value as Entity[];
      } catch (error) {
        throw asStoreError(what, error, timeout);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  return {
    ask,
    query,

    async close() {
      const opened = opening;
      opening = undefined;
      await opened?.then(
        ({ agent }) => agent?.destroy(),
        () => {},
      );
    },
  };
}
