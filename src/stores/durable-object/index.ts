// The Durable Object store: sessions in Durable Objects of Cloudflare.

import { hash } from "node:crypto";
import { OptionError, type StoreFailure, toStoreError } from "../../errors.ts";
import { type ClaimedSession, collectClaimed, type SessionStore, type SessionWrite } from "../../store.ts";
import { checkNames } from "../../util/option-names.ts";
import { NOT_APPLIED } from "../shared/sql/errors.ts";
import { assertFits, PAGE_SIZE } from "../shared/sql/rows.ts";
import { valueTooLarge } from "../shared/value-too-large.ts";
import { type Answers, type Call, decodeMessage, encodeMessage } from "./message.ts";
import { type DurableObjectOptions, NAMES } from "./options.ts";

export { type DurableObjectStateLike, SessionObject } from "./object.ts";
export type { DurableObjectNamespaceLike, DurableObjectOptions } from "./options.ts";

/** A row of an object's storage takes 2,000,000 bytes, with key and owner. */
const MAX_VALUE_BYTES = 1_998_000;

/** How many claimed sessions come in one answer. */
const CLAIMED_TOGETHER = 20;

/** How many objects a sweep asks concurrently: a worker has few connections at the same time. */
const ASKED_TOGETHER = 6;

/**
 * Keeps sessions in Durable Objects, for applications on Cloudflare Workers: one object for each session, or `shards` of
 * them. The worker exports the class: `export { SessionObject } from "coatcheck/durable-object"`.
 *
 * @see https://developers.cloudflare.com/durable-objects/
 * @throws OptionError if the option `namespace` is missing, or `shards` is wrong.
 */
export function durableObject(options: DurableObjectOptions): SessionStore {
  checkNames("durableObject()", options, NAMES);
  const { namespace, shards } = options;
  if (typeof namespace?.idFromName !== "function" || typeof namespace.get !== "function") {
    throw new OptionError("namespace", namespace, "give the binding of the class SessionObject, such as env.SESSIONS.");
  }
  if (shards !== undefined && !(Number.isInteger(shards) && shards > 0)) {
    throw new OptionError("shards", shards, "give the number of objects, such as 32.");
  }

  async function call<Name extends Call["do"]>(object: string, request: Call & { do: Name }, value?: Uint8Array) {
    try {
      const body = encodeMessage({ head: request, values: value === undefined ? [] : [value] });
      // A new stub for each call: one that has failed stays broken.
      const stub = namespace.get(namespace.idFromName(object) as never);
      const response = await stub.fetch("https://coatcheck/", { method: "POST", body });
      const { head, values } = decodeMessage(await response.arrayBuffer());
      return { answer: head as Answers[Name], values };
    } catch (error) {
      throw toStoreError("the Durable Object", request.do, error, undefined, failureOf(error));
    }
  }

  function nameOf(key: string): string {
    if (shards === undefined) return key;
    return shardName(Number.parseInt(hash("sha256", key).slice(0, 8), 16) % shards);
  }

  const store: SessionStore = {
    name: "durable-object",

    async read(key, touchUntil) {
      const { answer, values } = await call(nameOf(key), { do: "read", key, touchUntil });
      return answer === null ? undefined : { ...answer, value: values[0]! };
    },

    async create(key, session) {
      return (await call(nameOf(key), { do: "create", key, session: described(key, session) }, session.value)).answer;
    },

    async update(key, session, ifVersion) {
      const request = { do: "update" as const, key, session: described(key, session), ifVersion };
      return (await call(nameOf(key), request, session.value)).answer;
    },

    delete: async (key, ifVersion) => (await call(nameOf(key), { do: "delete", key, ifVersion })).answer,

    touch: async (key, expiresAt) => (await call(nameOf(key), { do: "touch", key, expiresAt })).answer,

    async close() {},
  };
  if (shards === undefined) return store;

  return {
    ...store,

    async *list({ owner }) {
      for (let shard = 0; shard < shards; shard++) {
        for (let after = "", isLast = false; !isLast; ) {
          const { answer } = await call(shardName(shard), { do: "list", after, owner });
          yield* answer;
          after = answer.at(-1)?.key ?? after;
          isLast = answer.length < PAGE_SIZE;
        }
      }
    },

    claimExpired: (now, limit) =>
      collectClaimed(async (claimed) => {
        // Sweeps begin at different objects, so that no object's sessions always come last.
        const first = Math.floor(Math.random() * shards);
        let waiting = Array.from({ length: shards }, (_, index) => (first + index) % shards);
        while (waiting.length > 0 && claimed.length < limit) {
          const asked = waiting.slice(0, Math.min(ASKED_TOGETHER, limit - claimed.length));
          const share = Math.min(Math.floor((limit - claimed.length) / asked.length), CLAIMED_TOGETHER);
          const results = await Promise.allSettled(asked.map((shard) => claimFrom(shard, now, share)));
          for (const result of results) if (result.status === "fulfilled") claimed.push(...result.value);
          for (const result of results) if (result.status === "rejected") throw result.reason;
          const hasMore = (index: number) => (results[index] as { value?: unknown[] }).value?.length === share;
          waiting = [...waiting.slice(asked.length), ...asked.filter((_, index) => hasMore(index))];
        }
      }),
  };

  async function claimFrom(shard: number, now: number, limit: number): Promise<ClaimedSession[]> {
    const { answer, values } = await call(shardName(shard), { do: "claimExpired", now, limit });
    return answer.map((session, index) => ({ ...session, value: values[index]! }));
  }
}

function shardName(shard: number): string {
  return `shard ${shard}`;
}

function described(key: string, { value, expiresAt, owner }: SessionWrite) {
  assertFits(key, owner);
  if (value.length > MAX_VALUE_BYTES) throw valueTooLarge("a Durable Object", MAX_VALUE_BYTES, value.length);
  return owner === undefined ? { expiresAt } : { expiresAt, owner };
}

/** An object that is overloaded has refused the call before it ran. */
function failureOf(error: unknown): StoreFailure {
  return (error as { overloaded?: boolean } | null)?.overloaded === true ? NOT_APPLIED : {};
}
