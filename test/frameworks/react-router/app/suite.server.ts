// The suite's sessions, which the tests' routes share.

import { createSessions, type Session } from "coatcheck";
import { memory } from "coatcheck/memory";
import { type SessionMiddleware, session, toSessionStorage } from "coatcheck/react-router";
import { redis } from "coatcheck/redis";
import { createContext } from "react-router";
import { type AdminData, createKit, type Data, suiteOptions } from "./suite-app";

const { REDIS_URL } = process.env;

export const kit = createKit(createSessions as never, () => (REDIS_URL ? redis({ url: REDIS_URL }) : memory()));

export const userContext = createContext<Session<Data>>();
export const adminContext = createContext<Session<AdminData>>();

export const both: SessionMiddleware[] = [
  session(kit.users, {
    context: userContext,
    mode: ({ url }) => suiteOptions.mode(url.pathname),
    extend: ({ url }) => suiteOptions.extend(url.pathname),
  }),
  session(kit.admins, { context: adminContext }),
];

export const exclusive = session(kit.users, { context: userContext, mode: "exclusive" });

/** Sessions whose store is down. */
export const down = session({
  store: { ...memory(), inProcess: false, create: fail, read: fail, update: fail, delete: fail } as never,
  secret: "a secret for the tests of adapters",
  cookie: { secure: "auto" },
});

function fail(): Promise<never> {
  return Promise.reject(new Error("connect ECONNREFUSED 10.0.0.7:6379"));
}

export const storage = toSessionStorage<Data, { message: string }>(kit.users);
