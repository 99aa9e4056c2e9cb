// The contender: @fastify/secure-session.
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import type { FastifyPluginCallback } from "fastify";
import { fastifyApp } from "../apps/fastify.ts";
import type { Actions, Contender } from "../contender.ts";
import { type Fields, tenKeys } from "../session-data.ts";

const secureSession = createRequire(import.meta.url)("@fastify/secure-session") as FastifyPluginCallback<{
  key: Buffer;
  cookie: object;
}>;

interface SecureSession {
  get<Key extends keyof Fields>(key: Key): Fields[Key] | undefined;
  set<Key extends keyof Fields>(key: Key, value: Fields[Key]): void;
  data(): Partial<Fields>;
}

const withGetAndSet: Actions<{ session: SecureSession }> = {
  read: ({ session }) => session.get("user")!,
  change({ session }) {
    const views = (session.get("views") ?? 0) + 1;
    session.set("views", views);
    return views;
  },
  fill({ session }) {
    for (const [key, value] of Object.entries(tenKeys())) session.set(key as keyof Fields, value as never);
  },
  set: ({ session }, slot) => session.set(slot, 1),
  all: ({ session }) => session.data(),
};

/** Keeps the session in a cookie sealed by libsodium. Gets a key: a secret would be stretched first. */
export default {
  framework: "Fastify",
  names: { cookie: "@fastify/secure-session, sealed cookie" },
  start: () =>
    fastifyApp(withGetAndSet, (app) => {
      app.register(secureSession, { key: randomBytes(32), cookie: { path: "/", sameSite: "lax" } });
    }),
} satisfies Contender;
