import { createSessions, type Sessions } from "../../src/index.ts";
import { SECRET } from "../contender.ts";
import { textOf } from "../memory/sessions.ts";
import { tenKeys } from "../session-data.ts";
import type { Place } from "./places.ts";

interface Data {
  views: number;
}

/** By what is in a session. */
export const SIZES = {
  "300 bytes": (index: number): Data => JSON.parse(textOf(index)),
  "1 KB": tenKeys,
} satisfies Record<string, (index: number) => Data>;
export type Size = keyof typeof SIZES;

interface Kind {
  title: string;
  encryption?: "off" | "server";
  ownerOf?(index: number): string;
  /** Each is changed several times, ends, and another takes its place. */
  churns?: true;
}

export const KINDS = {
  plain: { title: "plain", encryption: "off" },
  sealed: { title: "sealed" },
  owned: { title: "sealed, with an owner", ownerOf: (index) => `user-${index}` },
  churned: { title: "sealed, after churn", churns: true },
} satisfies Record<string, Kind>;
export type KindName = keyof typeof KINDS;

const AT_ONCE = 100;
/** Writes that follow a session's beginning. docs/capacity.md reckons with as many. */
const CHANGES = 8;
/** Part of the sessions that has changed when the database makes room: what PostgreSQL waits for by itself. */
const UNTIDY = 0.2;

/** Bytes that the place takes for each of `count` sessions. */
export async function measure(place: Place, count: number, size: Size, kind: KindName): Promise<number> {
  const { encryption = "server", ownerOf, churns }: Kind = KINDS[kind];
  const store = await place.emptyStore();
  const sessions = createSessions<Data>({ store, secret: SECRET, encryption, sweepInterval: false });
  const begin = (index: number) => beginOne(sessions, SIZES[size](index), ownerOf?.(index));
  // What connections, scripts and an empty table take does not count.
  await begin(count);
  const before = await place.bytes();

  const cookies: string[] = [];
  await inTurns([...Array(count).keys()], async (index) => {
    cookies[index] = await begin(index);
  });
  await place.tidy();
  if (churns) await churn(place, sessions, cookies, begin);
  const each = ((await place.bytes()) - before) / count;
  await sessions.close();
  return each;
}

/** One change of all after the other, in no order; somewhere among them, a session's end. */
async function churn(
  place: Place,
  sessions: Sessions<Data>,
  cookies: string[],
  begin: (index: number) => Promise<string>,
): Promise<void> {
  const part = Math.ceil(cookies.length * UNTIDY);
  for (let round = 0; round <= CHANGES; round++) {
    const order = shuffled(cookies.length);
    for (let from = 0; from < order.length; from += part) {
      await inTurns(order.slice(from, from + part), async (index) => {
        const session = await sessions.open(cookies[index]!);
        if (session.isNew) throw new Error(`the store has lost session ${index}`);
        if (index % (CHANGES + 1) === round) {
          await session.destroy();
          cookies[index] = await begin(index);
        } else {
          session.update("views", (views = 0) => views + 1);
          await session.commit();
        }
      });
      await place.tidy();
    }
  }
}

/** Gives the browser's cookie. */
async function beginOne(sessions: Sessions<Data>, data: Data, owner: string | undefined): Promise<string> {
  const session = await sessions.open("");
  Object.assign(session.data, data);
  if (owner !== undefined) session.owner = owner;
  const [setCookie] = await session.commit();
  return setCookie!.split(";")[0]!;
}

async function inTurns(indexes: number[], work: (index: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < indexes.length; from += AT_ONCE) {
    await Promise.all(indexes.slice(from, from + AT_ONCE).map(work));
  }
}

/** The numbers below `count`, in no order. */
function shuffled(count: number): number[] {
  return Array.from({ length: count }, (_, index) => ({ index, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ index }) => index);
}
