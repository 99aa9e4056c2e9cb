// node bench/memory/requests.ts count: compares requests among 1,000 and among `count` sessions in memory, as JSON.
import { session as onNode, type SessionRequest } from "../../src/adapters/node.ts";
import { createSessions, type Session, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { http } from "../code-paths.ts";
import { SECRET } from "../contender.ts";
import { compareReads } from "./compare-reads.ts";
import { textOf } from "./sessions.ts";

export type Requests = Awaited<ReturnType<typeof measure>>;

const SMALL = 1_000;
/** Longer than any cookie. */
const COOKIE_BYTES = 80;

interface Data {
  user: { id: number };
}

/** Sessions and their browsers' cookies, which are kept outside the heap. */
interface Site {
  sessions: Sessions<Data>;
  handler: Parameters<typeof http>[1];
  cookies: Buffer;
}

async function measure(count: number) {
  const small = await openSite(SMALL);
  const large = await openSite(count);
  const compare = (read: (site: Site, cookie: string) => unknown) => {
    const target = (source: Site, count: number) => ({
      ...{ source, count, read },
      keyOf: (index: number) => cookieOf(source, index),
    });
    return compareReads(target(small, SMALL), target(large, count));
  };
  return {
    core: await compare(({ sessions }, cookie) => openSync(sessions, cookie).get("user")),
    http: await compare(({ handler }, cookie) => http(cookie, handler)()),
  };
}

function openSync(sessions: Sessions<Data>, cookie: string): Session<Data> {
  const opened = sessions.openMaybeSync(cookie);
  if (opened instanceof Promise) throw new Error("the memory store must answer synchronously");
  return opened;
}

async function openSite(count: number): Promise<Site> {
  const sessions = createSessions<Data>({ secret: SECRET, cookie: { secure: false }, store: memory() });
  const handler = onNode(sessions)((req: SessionRequest<Data>, res) => {
    res.end(req.session.get("user") ? "somebody" : "nobody");
  });
  const site: Site = { sessions, handler, cookies: Buffer.alloc(count * COOKIE_BYTES) };
  for (let index = 0; index < count; index++) {
    const session = await sessions.open("");
    Object.assign(session.data, JSON.parse(textOf(index)));
    const [setCookie] = await session.commit();
    site.cookies.write(setCookie!, index * COOKIE_BYTES, COOKIE_BYTES, "latin1");
  }
  return site;
}

function cookieOf({ cookies }: Site, index: number): string {
  const text = cookies.toString("latin1", index * COOKIE_BYTES, (index + 1) * COOKIE_BYTES);
  return text.slice(0, text.indexOf(";"));
}

console.log(JSON.stringify(await measure(Number(process.argv[2]))));
process.exit();
