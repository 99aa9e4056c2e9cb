// The load balancer: sends each request to the next server that is up.
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createProxyServer } from "httpxy";

/** A server that takes requests. */
export interface Target {
  readonly number: number;
  readonly url: string;
}

/** Which server answered a request, or failed to. */
export interface Answer {
  readonly server: number;
  readonly method: string;
  /** The server died before it answered, and the request went to another one. */
  readonly failed?: true;
  /** The server answered that it can't serve the request now. */
  readonly refused?: true;
}

export interface BalancerOptions {
  /** The servers that may have the request, of those that are up, in the order of their numbers. */
  targets(req: IncomingMessage): readonly Target[];
  /** Headers to add to every request. */
  headers(): Record<string, string>;
  onAnswer(answer: Answer): void;
  /** Answers a request when no server is up. */
  noServer(req: IncomingMessage, res: ServerResponse): void;
}

/**
 * Round robin without sticky sessions: each request goes to the server after the last one.
 *
 * A server may die while it handles a request. If no answer has begun, the next server gets the same request. That is safe
 * for GET and for the shop's forms, which are idempotent: "this coat on that hanger". A request that is not ("one more")
 * must only be repeated if no server has received it.
 */
export function balancer({ targets, headers, onAnswer, noServer }: BalancerOptions) {
  const proxy = createProxyServer();
  const serverOf = new WeakMap<IncomingMessage, number>();
  let last = 0;

  proxy.on("proxyRes", ({ statusCode }, req) => {
    const answer = { server: serverOf.get(req)!, method: req.method! };
    onAnswer(statusCode === 503 ? { ...answer, refused: true } : answer);
  });

  function next(req: IncomingMessage, tried: ReadonlySet<number>): Target | undefined {
    const untried = targets(req).filter(({ number }) => !tried.has(number));
    const target = untried.find(({ number }) => number > last) ?? untried[0];
    if (target !== undefined) last = target.number;
    return target;
  }

  return async function balance(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await buffer(req); // all of it, so that it can be sent again
    const tried = new Set<number>();
    for (let target = next(req, tried); target !== undefined; target = next(req, tried)) {
      serverOf.set(req, target.number);
      tried.add(target.number);
      const chunks = body.length === 0 ? [] : [body];
      try {
        await proxy.web(req, res, { target: target.url, headers: headers(), buffer: Readable.from(chunks) });
        return;
      } catch {
        if (res.headersSent) return;
        onAnswer({ server: target.number, method: req.method!, failed: true });
      }
    }
    noServer(req, res);
  };
}
