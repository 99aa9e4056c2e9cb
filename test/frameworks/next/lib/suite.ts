// The suite's sessions, which its pages, actions and handlers share.

import { createSessions, type Sessions } from "coatcheck";
import { memory } from "coatcheck/memory";
import { nextSessions } from "coatcheck/next";
import { redis } from "coatcheck/redis";
import { createKit, type Kit } from "./suite-app";

interface Short {
  list: number[];
}

const shared = globalThis as typeof globalThis & { kit?: Kit; short?: Sessions<Short>; lateChanges?: string[] };
const { REDIS_URL } = process.env;

shared.kit ??= createKit(createSessions as never, () => (REDIS_URL ? redis({ url: REDIS_URL }) : memory()));

shared.lateChanges ??= [];
shared.short ??= createShort(shared.lateChanges);

export const lateChanges = shared.lateChanges;
export const short = nextSessions(shared.short);
export const kit = shared.kit;
export const users = nextSessions(kit.users);
export const admins = nextSessions(kit.admins);

/** Sessions that end soon if nobody comes. */
function createShort(lateChanges: string[]): Sessions<Short> {
  const sessions = createSessions<Short>({
    secret: "a secret for the tests of adapters",
    cookie: { name: "short", secure: "auto" },
    idleTimeout: "1500ms",
  });
  sessions.on("lateChange", ({ keys }) => void lateChanges.push(...keys));
  return sessions;
}
