// One application on express-session and on the drop-in: requests that carry out what they are told.

import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import dropIn, {
  type CookieOptions,
  type SessionOptions,
  type SessionRequest,
} from "../../../src/adapters/express-session/index.ts";

/** Not imported, since its types for a request's session would hold for all tests. */
export const original = createRequire(import.meta.url)("express-session") as unknown as typeof dropIn;
export { dropIn };

/** One thing that a request does with its session. */
export type Step =
  | ["set", key: string, value: unknown]
  | ["push", key: string, value: unknown]
  | ["delete", key: string]
  | ["maxAge", ms: number | null]
  | ["expires", inMs: number | null | false]
  | ["cookie", name: string, value: unknown]
  | ["save" | "reload" | "regenerate" | "destroy" | "touch" | "null" | "unset" | "twice"]
  | ["sessionID", id: string | undefined]
  /** Puts another cookie into the session: one of the package's own, or a mere object. */
  | ["new cookie" | "plain cookie", options: CookieOptions]
  /** Another request, from its beginning to its end, while this one runs. */
  | ["meanwhile", Visit]
  | ["look"];

/** How the response is sent. What `late` does comes after its first byte. */
export interface Answer {
  status: number;
  way: "end" | "writeHead" | "stream" | "redirect" | "head with cookie";
  late: Step[];
}

export interface Visit {
  method: "GET" | "HEAD";
  steps: Step[];
  answer: Answer;
  /** Milliseconds that pass before it. */
  pause: number;
  path: string;
  cookie: "mine" | "none" | "forged" | "unsigned" | "former";
  https: boolean;
}

export interface Seen {
  status: number;
  body: string;
  cookies: string[];
  location: string | undefined;
  errors: string[];
}

export interface Application {
  visit(visit: Visit): Promise<Seen>;
  close(): Promise<void>;
}

type Open = SessionRequest & { session: SessionRequest["session"] | null };

/** `jar`: the browser's cookies, where several applications have one browser. */
export async function application(
  session: typeof dropIn,
  options: SessionOptions,
  jar: string[] = [],
): Promise<Application> {
  let errors: string[] = [];
  const middleware = session(options);
  const server = createServer((req, res) => {
    middleware(req, res, (error) => {
      if (error) {
        errors.push((error as Error).message);
        if (res.headersSent) return;
        res.statusCode = 500;
        res.end((error as Error).message);
        return;
      }
      respond(req as Open, res, { Cookie: session.Cookie, visitNow }).catch((error) => {
        errors.push(`thrown: ${(error as Error).message}`);
        res.destroy();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  async function visitNow(visit: Visit): Promise<Omit<Seen, "errors">> {
    const name = options.name ?? "connect.sid";
    const headers: Record<string, string> = { "x-visit": encodeURIComponent(JSON.stringify(visit)) };
    const cookie = cookieOf(visit, jar, name);
    if (cookie !== undefined) headers.cookie = cookie;
    if (visit.https) headers["x-forwarded-proto"] = "https";
    const seen = await ask(server, visit, headers);
    for (const one of seen.cookies) if (one.startsWith(`${name}=`)) jar.push(one.split(";")[0]!);
    return seen;
  }

  return {
    async visit(visit) {
      errors = [];
      const seen = await visitNow(visit);
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      return { ...seen, errors };
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function cookieOf({ cookie }: Visit, jar: string[], name: string): string | undefined {
  const mine = jar.at(-1);
  switch (cookie) {
    case "none":
      return undefined;
    case "mine":
      return mine && `other=1; ${mine}; more=a%20b`;
    case "former":
      return jar[0];
    case "forged":
      return `${name}=s%3Ano-such-id.c2lnbmF0dXJl`;
    case "unsigned":
      return mine?.replace("s%3A", "").replace(/\..*/, "");
  }
}

/** What the steps of a request need of its application. */
interface Means {
  readonly Cookie: typeof dropIn.Cookie;
  visitNow(visit: Visit): Promise<unknown>;
}

async function respond(req: Open, res: ServerResponse, means: Means): Promise<void> {
  const { steps, answer } = JSON.parse(decodeURIComponent(String(req.headers["x-visit"]))) as Visit;
  const log: unknown[] = [look(req)];
  for (const step of steps) log.push(await carryOut(req, step, means));
  log.push(look(req));
  const text = JSON.stringify(log);
  res.statusCode = answer.status;
  switch (answer.way) {
    case "end":
      res.end(text);
      return;
    case "redirect":
      res.writeHead(302, { Location: "/next" });
      res.end();
      return;
    case "writeHead":
      res.setHeader("X-One", "1");
      res.writeHead(answer.status, { "X-Two": "2" });
      break;
    case "head with cookie":
      res.writeHead(answer.status, { "Set-Cookie": ["one=1; Path=/", "two=2"], "Content-Type": "text/plain" });
      break;
    case "stream":
      res.write("first ");
  }
  for (const step of answer.late) await carryOut(req, step, means);
  res.end(text);
}

async function carryOut(req: Open, [name, ...rest]: Step, means: Means): Promise<unknown> {
  const { session } = req;
  const [one, two] = rest as [string, unknown];
  try {
    switch (name) {
      case "set":
        (session as unknown as Record<string, unknown>)[one] = two;
        return "set";
      case "push": {
        const data = session as unknown as Record<string, unknown[]>;
        if (!Array.isArray(data[one])) data[one] = [];
        data[one].push(two);
        return data[one].length;
      }
      case "delete":
        return delete (session as unknown as Record<string, unknown>)[one];
      case "maxAge":
        session!.cookie.maxAge = rest[0] as never;
        return "set";
      case "expires":
        session!.cookie.expires = typeof rest[0] === "number" ? new Date(Date.now() + rest[0]) : (rest[0] as null);
        return "set";
      case "cookie":
        (session!.cookie as unknown as Record<string, unknown>)[one] = two;
        return "set";
      case "new cookie":
        session!.cookie = new means.Cookie(rest[0] as CookieOptions);
        return "set";
      case "plain cookie":
        session!.cookie = { ...(rest[0] as object) } as never;
        return "set";
      case "meanwhile":
        return await means.visitNow(rest[0] as Visit);
      case "touch":
        return session!.touch() === session;
      case "null":
        req.session = null as never;
        return "null";
      case "unset":
        delete (req as Partial<Open>).session;
        return "unset";
      case "sessionID":
        req.sessionID = one;
        return one;
      case "twice": {
        const both = [called((done) => session!.save(done)), called((done) => session!.save(done))];
        return await Promise.all(both);
      }
      case "look":
        return look(req);
      default:
        return [await called((done) => session![name](done as never)), look(req)];
    }
  } catch (error) {
    // The texts of V8's own errors name what was read, which differs.
    return error instanceof TypeError ? "TypeError" : `thrown: ${(error as Error).message}`;
  }
}

function called(call: (done: (error?: unknown) => void) => unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    try {
      call((error) => resolve(error ? `error: ${(error as Error).message}` : "done"));
    } catch (error) {
      reject(error);
    }
  });
}

/** All that an application can see. */
function look(req: Open): unknown {
  const { session } = req;
  if (!session) return [String(session), req.sessionID];
  const { cookie } = session;
  const names = [];
  for (const name in session) names.push(name);
  const sees = { id: session.id, sessionID: req.sessionID, names, keys: Object.keys(session), json: session, cookie };
  return { ...sees, maxAge: cookie.maxAge, originalMaxAge: cookie.originalMaxAge, expires: cookie.expires };
}

function ask(server: Server, { method, path }: Visit, headers: Record<string, string>): Promise<Omit<Seen, "errors">> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const req = httpRequest(
      { host: "127.0.0.1", port, method, path, headers, agent: false },
      (res: IncomingMessage) => {
        let body = "";
        res.setEncoding("utf8");
        res.on("data", (text) => {
          body += text;
        });
        res.on("end", () => {
          const { statusCode: status = 0, headers } = res;
          resolve({ status, body, cookies: headers["set-cookie"] ?? [], location: headers.location });
        });
        res.on("error", reject);
      },
    );
    req.on("error", () => resolve({ status: 0, body: "", cookies: [], location: undefined }));
    req.end();
  });
}
