// node bench/ways.ts way times: one way through the library, so many times; for instructions.ts, which counts.
import { IncomingMessage, ServerResponse } from "node:http";
import { Writable } from "node:stream";
import { session as onNode } from "../src/adapters/node.ts";
import { cached } from "../src/compose/index.ts";
import { createSessions, type Session, type Sessions } from "../src/index.ts";
import { memory } from "../src/stores/memory.ts";
import { SECRET } from "./contender.ts";
import { withCoatcheck } from "./contenders/coatcheck.ts";
import { type Fields, OTHER_COOKIES } from "./session-data.ts";

type Request = { session: Session<Fields> };

const options = { secret: SECRET, cookie: { secure: false } };
const store = memory();
const sessions = createSessions<Fields>({ ...options, store });
// Spread, it has lost the methods that answer at once, and is waited for as a database is.
const slowSessions = createSessions<Fields>({ ...options, store: { ...store } });
// Bounded, or the new sessions of a few seconds would fill the memory.
const manySessions = createSessions<Fields>({ ...options, store: memory({ maxSessions: 20_000 }) });
// Sealed and guarded, as if the store were elsewhere; only the first reads ask it.
const { inProcess: _, ...elsewhere } = memory();
const copies = createSessions<Fields>({ ...options, store: cached(elsewhere) });

/** Begins a session, and gives the browser's Cookie header. */
async function visit(sessions: Sessions<Fields>): Promise<string> {
  const session = await sessions.open("");
  withCoatcheck.fill({ session });
  const [setCookie] = await session.commit();
  return [OTHER_COOKIES[0], setCookie!.split(";")[0], OTHER_COOKIES[1]].join("; ");
}

const cookie = await visit(sessions);
const copied = await visit(copies);
const noCookie = OTHER_COOKIES.join("; ");

/** What every adapter does. */
const core =
  (source: string, work: (request: Request) => unknown, among = sessions) =>
  async () => {
    const opened = among.openAtOnce(source);
    const session = opened instanceof Promise ? await opened : opened;
    work({ session });
    await session.commit();
  };

const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
type Handler = (req: IncomingMessage, res: ServerResponse) => void;
/** node:http without a network: its own request and response, and a socket that swallows what is written. */
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

/** Ways through the core alone, and with node:http around it. */
export const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  "core: no cookie, nothing written": core(noCookie, () => {}),
  "core: open only": core(cookie, () => {}),
  "core: read one key": core(cookie, withCoatcheck.read),
  "core: read one key of a copy": core(copied, withCoatcheck.read, copies),
  "core: change one key": core(cookie, withCoatcheck.change),
  "core: new session": core(noCookie, withCoatcheck.fill, manySessions),
  "http: without a session": http(cookie, (_req, res) => answer(res)),
  "http: read one key": served(cookie, withCoatcheck.read),
  "http: read one key of a copy": served(copied, withCoatcheck.read, copies),
  "http: change one key": served(cookie, withCoatcheck.change),
  "http: read one key, waiting": served(cookie, withCoatcheck.read, slowSessions),
  "http: change one key, waiting": served(cookie, withCoatcheck.change, slowSessions),
  "http: new session": served(noCookie, withCoatcheck.fill, manySessions),
};

if (import.meta.main) {
  const [name, times] = process.argv.slice(2);
  const way = ways[name!]!;
  for (let i = 0; i < Number(times); i++) await way();
  process.exit();
}
