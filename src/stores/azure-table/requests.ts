// Sends requests to Azure Table storage, with a time limit and safe retries.

import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "../../errors.ts";
import { createLazyClient } from "../shared/lazy-client.ts";
import { ServiceClock } from "../shared/service-clock.ts";
import type { Connection } from "./client.ts";
import { isCertainlyRefused, isRefusal, isTransient, type Refusal, toTableError } from "./errors.ts";
import type { Entity, QueryOptions, RawResponse, RequestOptions, TableClientLike } from "./sdk.ts";

/** Requests to the service. The first one connects. */
export interface Requests {
  /** The service's clock, as its answers tell it. */
  readonly clock: ServiceClock;
  /**
   * Sends a request. Returns the service's answer, or which of the expected refusals it gave.
   *
   * @param operation the store's method, for messages, or `"index"`, which changes no session. A `"delete"` and an
   *   `"update"` are not retried.
   * @throws StoreError for everything else.
   */
  send<Answer, R extends Refusal = never>(
    operation: string,
    refusals: R[],
    request: (client: TableClientLike, options: RequestOptions) => Promise<Answer>,
  ): Promise<Answer | R>;
  /** Returns the entities that match, in pages. */
  query(operation: string, filter: string, maxPageSize: number, select?: string[]): AsyncGenerator<Entity[], void>;
  close(): Promise<void>;
}

/** How often a request is repeated after a transient fault, such as a connection that broke while it was idle. */
const MAX_RETRIES = 2;
const BASE_BACKOFF_MS = 50;
const MAX_JITTER_MS = 100;

export function createRequests(connect: () => Promise<Connection>, timeout: number): Requests {
  const connection = createLazyClient(connect, ({ agent }) => agent?.destroy());
  const clock = new ServiceClock();

  function hear({ headers }: RawResponse, asked: number): void {
    clock.hear(headers?.get("date"), asked);
  }

  async function send<Answer, R extends Refusal = never>(
    operation: string,
    refusals: R[],
    request: (client: TableClientLike, options: RequestOptions) => Promise<Answer>,
  ): Promise<Answer | R> {
    const abortSignal = AbortSignal.timeout(timeout);
    // A repeated delete would find nothing to delete, and a repeated update would find a conflict, even if the first one,
    // whose answer was lost, was applied. A create finds its own version.
    let retries = operation === "delete" || operation === "update" ? 0 : MAX_RETRIES;
    let mayBeApplied = false;
    for (;;) {
      let client: TableClientLike | undefined;
      try {
        client = (await connection()).client;
        const asked = performance.now();
        return await request(client, { abortSignal, onResponse: (response) => hear(response, asked) });
      } catch (error) {
        // Without a client, it was the creation of the table that failed.
        const refusal = client && refusals.find((refusal) => isRefusal(refusal, error));
        if (refusal !== undefined) return refusal;
        if (client !== undefined && !isCertainlyRefused(error)) mayBeApplied = true;
        if (retries-- === 0 || !isTransient(error) || abortSignal.aborted) {
          throw toTableError(operation, error, timeout, mayBeApplied);
        }
        await sleep(BASE_BACKOFF_MS + MAX_JITTER_MS * Math.random());
      }
    }
  }

  async function* query(operation: string, filter: string, maxPageSize: number, select?: string[]) {
    const controller = new AbortController();
    let isTablePage = false;
    let asked = 0;
    const options: QueryOptions = {
      queryOptions: { filter, ...(select && { select }) },
      abortSignal: controller.signal,
      // The client takes an answer without a list for an empty list.
      onResponse(response) {
        hear(response, asked);
        isTablePage = Array.isArray((response.parsedBody as { value?: unknown } | undefined)?.value);
      },
    };
    let pages: AsyncIterator<object[]> | undefined;
    for (;;) {
      // Each page has the whole time limit.
      const timer = setTimeout(() => controller.abort(), timeout);
      try {
        pages ??= (await connection()).client.listEntities(options).byPage({ maxPageSize });
        asked = performance.now();
        const page = await pages.next();
        if (page.done) return;
        if (!isTablePage) {
          throw new StoreError(
            "coatcheck: the answer is not from Azure Table storage. Check the endpoint, and what is between it and this server.",
          );
        }
        clearTimeout(timer);
        yield page.value as Entity[];
      } catch (error) {
        throw toTableError(operation, error, timeout, false);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  return { clock, send, query, close: connection.close };
}
