// A server on whose store owners log in. Its settings are the first argument, and each message is a request to it.

import { inspect } from "node:util";
import {
  createSessions,
  type MaxPerOwner,
  type OwnerWithStamp,
  type Sessions,
  type SessionsOptions,
} from "../../src/index.ts";
import { browsers, tryLogin } from "../support/accounts.ts";
import type { Data } from "../support/set-up.ts";
import { SECRET } from "../support/stores.ts";

export interface LoginSettings {
  store: string;
  address: string;
}

/** So many logins at the same moment, or another stamp. */
export interface LoginRequest {
  owner: string | OwnerWithStamp;
  logins: number;
  maxPerOwner?: MaxPerOwner;
}

/** The Cookie headers of those that succeeded. */
export interface LoginReply {
  cookies: string[];
  error?: string;
}

/** The demo's modules take seconds to load, and most tests need one store. */
const makers: Readonly<Record<string, (url: string) => Promise<SessionsOptions<Data>>>> = {
  redis: async (url) => ({ store: (await import("../../src/stores/redis/index.ts")).redis({ url }) }),
  postgres: async (url) => ({ store: (await import("../../src/stores/postgres/index.ts")).postgres({ url }) }),
};

const { store, address } = JSON.parse(process.argv[2]!) as LoginSettings;

async function open(options: { maxPerOwner?: MaxPerOwner } = {}): Promise<Sessions<Data>> {
  const shared = (await makers[store]?.(address)) ?? (await import("../../demo/stores.ts")).environments[store]!.open(address); // biome-ignore format: one line
  return createSessions<Data>({ ...shared, ...options, secret: SECRET, sweepInterval: false, storeTimeout: "30s" });
}

const unlimited = await open();

async function answer({ owner, logins, maxPerOwner }: LoginRequest): Promise<LoginReply> {
  if (logins === 0 && typeof owner === "object") {
    await unlimited.stamp(owner.id, owner.stamp);
    return { cookies: [] };
  }
  const sessions = maxPerOwner === undefined ? unlimited : await open({ maxPerOwner });
  const all = browsers([sessions], logins);
  const succeeded = await Promise.all(all.map((one) => tryLogin(one, owner)));
  return { cookies: all.filter((_, i) => succeeded[i]).map(({ cookie }) => cookie!) };
}

process.on("message", (request: LoginRequest) => {
  answer(request).then(
    (reply) => process.send!(reply),
    (error) => process.send!({ cookies: [], error: inspect(error) }),
  );
});
process.on("disconnect", () => process.exit());
await unlimited.health();
process.send!({ cookies: [] });
