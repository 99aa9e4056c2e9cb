import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createProxyServer } from "httpxy";

/** A server that may be asked. */
export interface Target {
  readonly number: number;
  readonly url: string;
}

/** Who answered a request, or failed to. */
export interface Answer {
  readonly server: number;
  readonly method: string;
  /** The server died before it answered, and another one was asked. */
  readonly failed?: true;
}

export interface BalancerOptions {
  /** The servers that are up, by number. Asked for every request. */
  targets(): readonly Target[];
  /** Headers to add to what the servers get. */
  headers(): Record<string, string>;
  answered(answer: Answer): void;
  /** Answers when no server is left to ask. */
  nobody(req: IncomingMessage, res: ServerResponse): void;
}

/**
 * Round robin, and nothing sticky: each request goes to the server after the one that was asked last.
 *
 * A server may die with a request in its hands. As long as no answer has begun, the next server gets the same request.
 * That is safe for GET, and for the shop's forms, POST or not: they say what is to be ("this coat on that hanger"), so
 * doing it twice does it once. In front of forms that say "one more", repeat only what no server has taken.
 */
export function balancer({ targets, headers, answered, nobody }: BalancerOptions) {
  const proxy = createProxyServer();
  const asked = new WeakMap<IncomingMessage, number>();
  let last = 0;

  proxy.on("proxyRes", (_, req) => answered({ server: asked.get(req)!, method: req.method! }));

  function next(tried: ReadonlySet<number>): Target | undefined {
    const untried = targets().filter(({ number }) => !tried.has(number));
    const target = untried.find(({ number }) => number > last) ?? untried[0];
    if (target !== undefined) last = target.number;
    return target;
  }

  return async function balance(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await buffer(req); // all of it, to be sent again if need be
    const tried = new Set<number>();
    for (let target = next(tried); target !== undefined; target = next(tried)) {
      asked.set(req, target.number);
      tried.add(target.number);
      const chunks = body.length === 0 ? [] : [body];
      try {
        await proxy.web(req, res, { target: target.url, headers: headers(), buffer: Readable.from(chunks) });
        return;
      } catch {
        if (res.headersSent) return;
        answered({ server: target.number, method: req.method!, failed: true });
      }
    }
    nobody(req, res);
  };
}
