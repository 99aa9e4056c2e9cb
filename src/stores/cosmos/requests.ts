// Sends requests to Cosmos DB, with a time limit and safe retries.

import { setTimeout as sleep } from "node:timers/promises";
import { createLazyClient } from "../shared/lazy-client.ts";
import { ServiceClock } from "../shared/service-clock.ts";
import type { Connect } from "./client.ts";
import {
  type ClientError,
  type Effect,
  isCertainlyRefused,
  isRefusal,
  isTransient,
  type Refusal,
  toCosmosError,
} from "./errors.ts";
import type { Item } from "./item.ts";
import type { RequestCharge } from "./options.ts";
import type { ContainerLike, Pages, RequestOptions, Response } from "./sdk.ts";

/** Requests to the service. The first one connects. */
export interface Requests {
  /** The service's clock, as its answers tell it. */
  readonly clock: ServiceClock;
  /**
   * Sends a request. Returns the service's answer, or which of the expected refusals it gave.
   *
   * @param operation the store's method, for messages. Only a `"create"` and a `"touch"` are retried.
   * @param effect Default: "write".
   * @throws StoreError for everything else.
   */
  send<Answer extends Response, R extends Refusal = never>(
    operation: string,
    refusals: R[],
    request: (container: ContainerLike, options: RequestOptions) => Promise<Answer>,
    effect?: Effect,
  ): Promise<Answer | R>;
  /** Returns the items that match, in pages. */
  query(
    operation: string,
    text: string,
    parameters: Record<string, string | number>,
    maxItemCount: number,
  ): AsyncGenerator<Item[], void>;
  /** Sets properties of an item, if the condition holds. */
  patch<R extends Refusal>(
    operation: string,
    id: string,
    condition: string,
    changes: Record<string, unknown>,
    refusals: R[],
    effect?: Effect,
  ): Promise<Response | R>;
  close(): Promise<void>;
}

/** How often a write is repeated after its connection broke. The client itself repeats reads. */
const MAX_RETRIES = 2;
const BASE_BACKOFF_MS = 50;
const MAX_JITTER_MS = 100;

/** The answer to a write leaves out the item. */
const MINIMAL_ANSWER = { Prefer: "return=minimal" };

/** @param timeout the longest time for a request with its retries, in milliseconds. */
export function createRequests(
  connect: Connect,
  timeout: number,
  onRequestCharge: ((charge: RequestCharge) => void) | undefined,
): Requests {
  const connection = createLazyClient(
    () => {
      const asked = performance.now();
      return connect(AbortSignal.timeout(timeout), (response) => report("connect", response, asked));
    },
    ({ close }) => close(),
  );
  const clock = new ServiceClock();

  function report(operation: string, response: Response, asked: number): void {
    // Each answer has its headers, though the types of some do not say so.
    clock.hear((response as { headers?: Record<string, unknown> }).headers?.date, asked);
    const { requestCharge } = response;
    if (requestCharge) onRequestCharge?.({ operation, requestUnits: requestCharge });
  }

  async function send<Answer extends Response, R extends Refusal = never>(
    operation: string,
    refusals: R[],
    request: (container: ContainerLike, options: RequestOptions) => Promise<Answer>,
    effect: Effect = "write",
  ): Promise<Answer | R> {
    const abortSignal = AbortSignal.timeout(timeout);
    // A repeated delete would find nothing to delete, and a repeated update would find a conflict, even if the first one,
    // whose answer was lost, was applied. A create finds its own version.
    let retries = operation === "create" || operation === "touch" ? MAX_RETRIES : 0;
    let mayBeApplied = false;
    for (;;) {
      let container: ContainerLike | undefined;
      let asked = performance.now();
      try {
        container = (await unlessAborted(abortSignal, connection())).container;
        asked = performance.now();
        const response = await unlessAborted(abortSignal, request(container, { abortSignal }));
        report(operation, response, asked);
        return response;
      } catch (error) {
        const { headers } = error as ClientError;
        const requestCharge = Number(headers?.["x-ms-request-charge"] ?? 0);
        report(operation, { requestCharge, headers } as Response, asked);
        // Without a container, it was the connection that failed: a 404 then means that the database is missing.
        const refusal = container && refusals.find((refusal) => isRefusal(refusal, error as ClientError));
        if (refusal !== undefined) return refusal;
        if (effect === "write" && container && !isCertainlyRefused(error as ClientError)) mayBeApplied = true;
        if (retries-- === 0 || !isTransient(error as ClientError) || abortSignal.aborted) {
          throw toCosmosError(operation, error, timeout, effect, mayBeApplied);
        }
        await sleep(BASE_BACKOFF_MS + MAX_JITTER_MS * Math.random());
      }
    }
  }

  async function* query(
    operation: string,
    text: string,
    parameters: Record<string, string | number>,
    maxItemCount: number,
  ) {
    const named = Object.entries(parameters).map(([name, value]) => ({ name: `@${name}`, value }));
    const controller = new AbortController();
    let pages: Pages | undefined;
    while (pages === undefined || pages.hasMoreResults()) {
      const fetchPage = async (container: ContainerLike, { abortSignal }: RequestOptions) => {
        // The client takes one signal for all pages, but each page has the whole time limit.
        const abort = () => controller.abort();
        abortSignal.addEventListener("abort", abort);
        pages ??= container.items.query(
          { query: text, parameters: named },
          { maxItemCount, abortSignal: controller.signal },
        );
        return pages.fetchNext().finally(() => abortSignal.removeEventListener("abort", abort));
      };
      const page = await send(operation, [], fetchPage, "read");
      yield page.resources ?? [];
    }
  }

  function patch<R extends Refusal>(
    operation: string,
    id: string,
    condition: string,
    changes: Record<string, unknown>,
    refusals: R[],
    effect?: Effect,
  ) {
    const operations = Object.entries(changes).map(([name, value]) => ({
      op: "set" as const,
      path: `/${name}`,
      value,
    }));
    const body = { condition: `from c where ${condition}`, operations };
    return send(
      operation,
      refusals,
      (container, options) => container.item(id, id).patch(body, { ...options, initialHeaders: MINIMAL_ANSWER }),
      effect,
    );
  }

  return { clock, send, query, patch, close: connection.close };
}

/** Settles as `work` does, unless the signal aborts first: then it rejects with the signal's reason. */
function unlessAborted<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
