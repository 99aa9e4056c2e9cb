// The application that the suite of the adapters talks to: one route function, which each framework serves.
//
// It also runs inside of the examples' applications, where only the package is there. So it imports types only.

import type { Session, SessionStore, Sessions, SessionsOptions } from "../../src/index.ts";

/** The users' session. */
export interface Data {
  n: number;
  [key: `key${number}`]: number;
  user: string;
}

/** The session of the administration, beside that of the users. Each request is to get another ticket. */
export interface AdminData {
  admin: string;
}

/** A response that every framework can send. A stream's chunks are sent one by one. */
export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  stream?: () => AsyncIterable<string>;
}

export type Route = (session: Session<Data>, url: URL, admin?: Session<AdminData>) => Answer | Promise<Answer>;

/** What an application of the suite is made of. */
export interface Kit {
  /** Under the usual name of the framework: `req.session`. */
  users: Sessions<Data>;
  /** Under the name `admin`. */
  admins: Sessions<AdminData>;
  /** The calls of the users' store so far. */
  calls(): number;
}

/** The options of the adapter for the users' sessions, by the request's path. */
export const suiteOptions = {
  mode(path: string): "merge" | "exclusive" | "readonly" | "none" | undefined {
    return /\/(exclusive|readonly|none)\b/.exec(path)?.[1] as "exclusive" | "readonly" | "none" | undefined;
  },
  extend: (path: string): boolean => !path.includes("/poll"),
};

/** The sessions of the application, over a store of each kind. */
export function createKit(
  create: <Data extends object>(options: SessionsOptions<Data> & { transport?: unknown }) => Sessions<Data>,
  makeStore: () => SessionStore,
): Kit {
  const store = counted(makeStore());
  const secret = "a secret for the tests of adapters";
  return {
    users: create<Data>({
      store,
      secret,
      cookie: { secure: "auto" },
      transport: { header: "x-session", cookies: true },
      exclusive: { lease: "1s", maxWait: "20s" },
    }),
    admins: create<AdminData>({ store: makeStore(), secret, cookie: { secure: "auto", name: "admin" }, renewAfter: 1 }),
    calls: store.calls,
  };
}

/** The route of the suite. Its paths may have anything before them. */
export const route: Route = async (session, url, admin) => {
  const key = url.searchParams.get("key") ?? "";
  switch (/[^/]*$/.exec(url.pathname)![0]) {
    case "anonymous":
      return { body: session.isNew ? "nobody" : "somebody" };
    case "login":
      session.data.user = "ann";
      session.owner = "ann";
      return { status: 303, headers: { Location: url.pathname.replace(/login$/, "whoami") } };
    case "whoami":
    case "poll":
      return { body: session.data.user ?? "nobody" };
    case "logout":
      await session.destroy();
      return { body: "bye" };
    case "promote":
      return { body: String(await session.regenerate()) };
    case "set":
      session.data[key as "key0"] = 1;
      return { body: "set" };
    case "add":
      session.update("n", (n) => (n ?? 0) + 1);
      return { body: "added" };
    case "exclusive-add": {
      const n = session.data.n ?? 0;
      await pause(5);
      session.data.n = n + 1;
      return { body: "added" };
    }
    case "exclusive-slow":
      await pause(400);
      return { body: "slow" };
    case "readonly-set":
      return { body: refusal(() => session.set("n", 1)) };
    case "none":
      return { body: session === undefined || session === null ? "no session" : "a session" };
    case "keys":
      return { body: String(session.keys().length) };
    case "n":
      return { body: String(session.data.n) };
    case "poll-end":
      return { body: String(session.expiresAt) };
    case "slow":
      await pause(300);
      session.data.n = 99;
      return { body: "slow" };
    case "fail":
      session.data.n = -1;
      return { status: 500, body: "failed" };
    case "throw":
      session.data.n = -1;
      throw new Error("the handler fails on purpose");
    case "promote-and-fail":
      await session.regenerate();
      session.set("n", (() => {}) as never);
      return { body: "never seen" };
    case "unstorable":
      session.set("n", (() => {}) as never);
      return { body: "never seen", headers: { ETag: '"1"', "Content-Language": "en", "X-Request-Id": "7" } };
    case "not-found":
      session.data.n = 4;
      return { status: 404, body: "no such page" };
    case "cookies":
      session.data.n = 7;
      return { headers: { "Set-Cookie": "theme=dark", "Cache-Control": "public, max-age=60" }, body: "both" };
    case "not-modified":
      session.data.n = 304;
      return { status: 304, headers: { ETag: '"1"' } };
    case "both":
      session.data.user = "ann";
      admin!.data.admin = "root";
      return { body: "both" };
    case "who-are-both":
      return { body: `${session.data.user ?? "nobody"} and ${admin!.data.admin ?? "nobody"}` };
    case "admin-slow":
      await pause(300);
      admin!.data.admin = "root, late";
      return { body: "slow" };
    case "admin-logout":
      await admin!.destroy();
      return { body: "bye" };
    case "stream":
      session.data.n = 1;
      return {
        async *stream() {
          for (let i = 0; i < 3; i++) {
            yield `chunk ${i}\n`.repeat(10_000);
            await pause(5);
          }
          yield refusal(() => session.set("n", 2));
        },
      };
    default:
      return { status: 404, body: "no such page" };
  }
};

function refusal(write: () => void): string {
  try {
    write();
    return "written";
  } catch (error) {
    return String((error as Error).message);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A store that counts its calls. */
function counted(store: SessionStore): SessionStore & { calls(): number } {
  let calls = 0;
  const counting = <Methods extends object>(methods: Methods): Methods =>
    new Proxy(methods, {
      get(target, name) {
        if (name === "calls") return () => calls;
        const member = Reflect.get(target, name);
        if (typeof member !== "function" || name === "close" || name === "claimExpired" || name === "time")
          return member;
        return (...args: unknown[]) => {
          calls++;
          return member.apply(target, args);
        };
      },
    });
  const copy = { ...store };
  if (store.sync) Object.defineProperty(copy, "sync", { value: counting(store.sync) });
  return counting(copy) as SessionStore & { calls(): number };
}
