import { setTimeout as sleep } from "node:timers/promises";
import type { RequestCharge } from "../cosmos.ts";
import type { ContainerLike, Opened, Pages, RequestOptions, Response } from "./cosmos-client.ts";
import { asStoreError, type Failure, isPassing, isRefusal, type Refusal } from "./cosmos-faults.ts";
import type { Item } from "./cosmos-item.ts";

/** Requests to the service, over a connection that the first of them opens. */
export interface Requests {
  /** The service's answer, or which of the expected refusals it gave. Anything else is an error. */
  ask<T extends Response, R extends Refusal = never>(
    what: string,
    refusals: R[],
    request: (container: ContainerLike, options: RequestOptions) => Promise<T>,
  ): Promise<T | R>;
  /** Page by page. */
  query(
    what: string,
    text: string,
    parameters: Record<string, string | number>,
    maxItemCount: number,
  ): AsyncGenerator<Item[], void>;
  patch<R extends Refusal>(
    what: string,
    id: string,
    condition: string,
    changes: Record<string, unknown>,
    refusals: R[],
  ): Promise<Response | R>;
  close(): Promise<void>;
}

/** How often a write is made again after its connection broke. Reads are made again by the client. */
const RETRIES = 2;
const MINIMAL = { Prefer: "return=minimal" };

export function requests(
  open: (abortSignal: AbortSignal, report: (response: Response) => void) => Promise<Opened>,
  timeout: number,
  onRequestCharge: ((charge: RequestCharge) => void) | undefined,
): Requests {
  let opening: Promise<Opened> | undefined;

  async function connect(abortSignal: AbortSignal): Promise<ContainerLike> {
    opening ??= open(abortSignal, (response) => report("connect", response));
    const mine = opening;
    try {
      return (await mine).container;
    } catch (error) {
      if (opening === mine) opening = undefined;
      throw error;
    }
  }

  function report(operation: string, response: { requestCharge?: number } | undefined): void {
    if (onRequestCharge && response?.requestCharge)
      onRequestCharge({ operation, requestUnits: response.requestCharge });
  }

  async function ask<T extends Response, R extends Refusal = never>(
    what: string,
    refusals: R[],
    request: (container: ContainerLike, options: RequestOptions) => Promise<T>,
  ): Promise<T | R> {
    const abortSignal = AbortSignal.timeout(timeout);
    // A delete whose answer was lost must not be told that there is nothing to delete, nor an update that somebody else was
    // first: that one may have written over it. A create finds its own version.
    let retries = what === "create" || what === "touch" ? RETRIES : 0;
    for (;;) {
      let container: ContainerLike | undefined;
      try {
        container = await unlessAborted(abortSignal, connect(abortSignal));
        const response = await unlessAborted(abortSignal, request(container, { abortSignal }));
        report(what, response);
        return response;
      } catch (error) {
        report(what, { requestCharge: Number((error as Failure).headers?.["x-ms-request-charge"] ?? 0) });
        // Only of the request itself: a 404 while connecting is a missing database.
        const refusal = container && refusals.find((refusal) => isRefusal(refusal, error as Failure));
        if (refusal !== undefined) return refusal;
        if (retries-- === 0 || !isPassing(error as Failure) || abortSignal.aborted) {
          throw asStoreError(what, error, timeout);
        }
        await sleep(50 + 100 * Math.random());
      }
    }
  }

  async function* query(what: string, text: string, parameters: Record<string, string | number>, maxItemCount: number) {
    const named = Object.entries(parameters).map(([name, value]) => ({ name: `@${name}`, value }));
    const controller = new AbortController();
    let pages: Pages | undefined;
    while (pages === undefined || pages.hasMoreResults()) {
      const page = await ask(what, [], async (container, { abortSignal }) => {
        // The client takes one signal for all pages, and each page has its own time.
        const abort = () => controller.abort();
        abortSignal.addEventListener("abort", abort);
        pages ??= container.items.query(
          { query: text, parameters: named },
          { maxItemCount, abortSignal: controller.signal },
        );
        return pages.fetchNext().finally(() => abortSignal.removeEventListener("abort", abort));
      });
      yield page.resources ?? [];
    }
  }

  function patch<R extends Refusal>(
    what: string,
    id: string,
    condition: string,
    changes: Record<string, unknown>,
    refusals: R[],
  ) {
    const operations = Object.entries(changes).map(([name, value]) => ({
      op: "set" as const,
      path: `/${name}`,
      value,
    }));
    // The item itself need not come back.
    return ask(what, refusals, (container, options) =>
      container
        .item(id, id)
        .patch({ condition: `from c where ${condition}`, operations }, { ...options, initialHeaders: MINIMAL }),
    );
  }

  return {
    ask,
    query,
    patch,

    async close() {
      const opened = opening;
      opening = undefined;
      await opened?.then(
        ({ close }) => close(),
        () => {},
      );
    },
  };
}

function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
