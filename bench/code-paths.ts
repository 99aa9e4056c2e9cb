// node bench/code-paths.ts name times: runs one code path of the library `times` times, for instructions.ts to count.
import { IncomingMessage, ServerResponse } from "node:http";
import { Writable } from "node:stream";
import { session as onNode } from "../src/adapters/node.ts";
import { cached } from "../src/compose/index.ts";
import { createSessions, type Session, type Sessions } from "../src/index.ts";
import { memory } from "../src/stores/memory/index.ts";
import { SECRET } from "./contender.ts";
import { withCoatcheck } from "./contenders/coatcheck.ts";
import { type Fields, OTHER_COOKIES } from "./session-data.ts";

type Request = { session: Session<Fields> };

const options = { secret: SECRET, cookie: { secure: false } };
const store = memory();
const sessions = createSessions<Fields>({ ...options, store });
// A spread store has lost its synchronous methods, so its promises are awaited, as a database's are.
const asyncSessions = createSessions<Fields>({ ...options, store: { ...store } });
// Bounded: the new sessions of a few seconds would fill the memory.
const manySessions = createSessions<Fields>({ ...options, store: memory({ maxSessions: 20_000 }) });
// Treated as a store outside the process: sealed, with time limits. Only the first reads reach it.
const { inProcess: _, ...elsewhere } = memory();
const cachedSessions = createSessions<Fields>({ ...options, store: cached(elsewhere) });

/** Begins a session and returns the browser's Cookie header. */
async function visit(sessions: Sessions<Fields>): Promise<string> {
  const session = await sessions.open("");
  withCoatcheck.fill({ session });
  const [setCookie] = await session.commit();
  return [OTHER_COOKIES[0], setCookie!.split(";")[0], OTHER_COOKIES[1]].join("; ");
}

const cookie = await visit(sessions);
const cachedCookie = await visit(cachedSessions);
const noCookie = OTHER_COOKIES.join("; ");

/** The core alone: what every adapter does. */
const core =
  (source: string, work: (request: Request) => unknown, among = sessions) =>
  async () => {
    const opened = among.openMaybeSync(source);
    const session = opened instanceof Promise ? await opened : opened;
    work({ session });
    await session.commit();
  };

const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
type Handler = (req: IncomingMessage, res: ServerResponse) => void;
/** node:http without a network: its request and response, and a socket that discards what is written. */
export const http = (cookie: string, handler: Handler) => () =>
  new Promise<void>((resolve) => {
    const req = new IncomingMessage(sink as never);
    req.method = "GET";
    req.httpVersionMajor = req.httpVersionMinor = 1;
    req.headers = { host: "shop.example", cookie };
    const res = new ServerResponse(req);
    res.assignSocket(sink as never);
    res.once("finish", () => {
      res.detachSocket(sink as never);
      resolve();
    });
    handler(req, res);
  });
const answer = (res: ServerResponse) => {
  res.setHeader("Content-Type", "text/plain");
  res.end("ada.lovelace");
};
const served = (cookie: string, work: (request: Request) => unknown, among = sessions) =>
  http(
    cookie,
    onNode(among)((req, res) => {
      work(req as unknown as Request);
      answer(res);
    }),
  );

/** Code paths of the core alone, and with node:http around it. guard.json records each by its name. */
export const codePaths: Readonly<Record<string, () => Promise<unknown>>> = {
  "core: no cookie, nothing written": core(noCookie, () => {}),
  "core: open only": core(cookie, () => {}),
  "core: read one key": core(cookie, withCoatcheck.read),
  "core: read one key of a cached session": core(cachedCookie, withCoatcheck.read, cachedSessions),
  "core: change one key": core(cookie, withCoatcheck.change),
  "core: new session": core(noCookie, withCoatcheck.fill, manySessions),
  "http: without a session": http(cookie, (_req, res) => answer(res)),
  "http: read one key": served(cookie, withCoatcheck.read),
  "http: read one key of a cached session": served(cachedCookie, withCoatcheck.read, cachedSessions),
  "http: change one key": served(cookie, withCoatcheck.change),
  "http: read one key, asynchronous store": served(cookie, withCoatcheck.read, asyncSessions),
  "http: change one key, asynchronous store": served(cookie, withCoatcheck.change, asyncSessions),
  "http: new session": served(noCookie, withCoatcheck.fill, manySessions),
};

if (import.meta.main) {
  const [name, times] = process.argv.slice(2);
  const run = codePaths[name!]!;
  for (let i = 0; i < Number(times); i++) await run();
  process.exit();
}
