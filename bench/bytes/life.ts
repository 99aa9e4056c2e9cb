// Fills a database with sessions, changes them, and counts their bytes.
import { createSessions, type Sessions } from "../../src/index.ts";
import { SECRET } from "../contender.ts";
import { textOf } from "../memory/sessions.ts";
import { tenKeys } from "../session-data.ts";
import type { Environment } from "./environments.ts";

interface Data {
  views: number;
}

/** The data of a session, by its size. */
export const SIZES = {
  "300 bytes": (index: number): Data => JSON.parse(textOf(index)),
  "1 KB": tenKeys,
} satisfies Record<string, (index: number) => Data>;
export type Size = keyof typeof SIZES;

interface Kind {
  title: string;
  encryption?: "off" | "server";
  ownerOf?(index: number): string;
  /** Each session is changed several times and ends, and another one begins. */
  churns?: true;
}

export const KINDS = {
  plain: { title: "plain", encryption: "off" },
  sealed: { title: "sealed" },
  owned: { title: "sealed, with an owner", ownerOf: (index) => `user-${index}` },
  churned: { title: "sealed, after churn", churns: true },
} satisfies Record<string, Kind>;
export type KindName = keyof typeof KINDS;

const CONCURRENCY = 100;
/** Writes after a session has begun. docs/capacity.md assumes the same number. */
const CHANGES = 8;
/** Vacuums whenever this share of the sessions has changed, as PostgreSQL does by itself. */
const UNTIDY = 0.2;

/** Bytes that each of `count` sessions takes. */
export async function measure(environment: Environment, count: number, size: Size, kind: KindName): Promise<number> {
  const { encryption = "server", ownerOf, churns }: Kind = KINDS[kind];
  const store = await environment.emptyStore();
  const sessions = createSessions<Data>({ store, secret: SECRET, encryption, sweepInterval: false });
  const begin = (index: number) => beginOne(sessions, SIZES[size](index), ownerOf?.(index));
  // Connections, scripts and an empty table do not count.
  await begin(count);
  const before = await environment.bytes();

  const cookies: string[] = [];
  await inBatches([...Array(count).keys()], async (index) => {
    cookies[index] = await begin(index);
  });
  await environment.tidy();
  if (churns) await churn(environment, sessions, cookies, begin);
  const each = ((await environment.bytes()) - before) / count;
  await sessions.close();
  return each;
}

/** Changes all sessions in random order, several times over. Each session ends once on the way. */
async function churn(
  environment: Environment,
  sessions: Sessions<Data>,
  cookies: string[],
  begin: (index: number) => Promise<string>,
): Promise<void> {
  const part = Math.ceil(cookies.length * UNTIDY);
  for (let round = 0; round <= CHANGES; round++) {
    const order = shuffled(cookies.length);
    for (let from = 0; from < order.length; from += part) {
      await inBatches(order.slice(from, from + part), async (index) => {
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
      await environment.tidy();
    }
  }
}

/** Returns the browser's cookie. */
async function beginOne(sessions: Sessions<Data>, data: Data, owner: string | undefined): Promise<string> {
  const session = await sessions.open("");
  Object.assign(session.data, data);
  if (owner !== undefined) session.owner = owner;
  const [setCookie] = await session.commit();
  return setCookie!.split(";")[0]!;
}

async function inBatches(indexes: number[], work: (index: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < indexes.length; from += CONCURRENCY) {
    await Promise.all(indexes.slice(from, from + CONCURRENCY).map(work));
  }
}

/** The numbers below `count`, in random order. */
function shuffled(count: number): number[] {
  return Array.from({ length: count }, (_, index) => ({ index, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ index }) => index);
}
