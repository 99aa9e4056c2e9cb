// The Cosmos DB store.

import { collectClaimed, type SessionStore, withOwner } from "../../store.ts";
import { milliseconds } from "../../util/duration.ts";
import { checkNames } from "../../util/option-names.ts";
import { isHashed, safeName } from "../shared/safe-name.ts";
import { createConnector } from "./client.ts";
import { contentionError, ofUnknownOutcome } from "./errors.ts";
import { decode, encode, type Item, isLive, keyOf, ttlUntil } from "./item.ts";
import { type CosmosOptions, HINTS, NAMES } from "./options.ts";
import { createReads } from "./reads.ts";
import { createRequests } from "./requests.ts";

export type { CosmosOptions, RequestCharge } from "./options.ts";

/** How long an ended session stays for a sweep to find it. */
const CLAIM_GRACE_MS = 3_600_000;

const MAX_LIST_PAGE_SIZE = 1_000;
const MAX_CLAIM_PAGE_SIZE = 100;

/** The most requests that one call sends concurrently. */
const MAX_PARALLEL = 16;

/** How often a write is tried again because another one came first. */
const MAX_ATTEMPTS = 50;

/**
 * Keeps sessions in Azure Cosmos DB for NoSQL, with the package `@azure/cosmos`. It connects on first use.
 *
 * A session is one item in a partition of its own. So a read is a point read and a write is a conditional patch: one
 * request each.
 *
 * @see https://learn.microsoft.com/azure/cosmos-db/partial-document-update
 * @throws OptionError if an option is missing or wrong.
 */
export function cosmos(options: CosmosOptions): SessionStore {
  checkNames("cosmos()", options, NAMES, HINTS);
  const { consistencyLevel = "Session", onRequestCharge } = options;
  const mayLag = consistencyLevel !== "Strong" && consistencyLevel !== "BoundedStaleness";
  const grace = options.claimExpired ? CLAIM_GRACE_MS : 0;
  const requestTimeout = milliseconds("requestTimeout", options.requestTimeout ?? "5s");
  const maxThrottleWait = milliseconds("maxThrottleWait", options.maxThrottleWait ?? "10s");
  const connect = createConnector({ ...options, consistencyLevel }, requestTimeout, maxThrottleWait);
  const service = createRequests(connect, requestTimeout + maxThrottleWait, onRequestCharge);
  const { send, query, patch, clock } = service;
  const { readItem, findLive } = createReads(service, mayLag);

  /** The service's time. If no answer has told it lately, a request is sent for an item that is not there. */
  const time = () => clock.time(() => readItem("give its time", "time"));

  /** The same, without a request of its own: connecting has told it, too. */
  async function now(operation: string): Promise<number> {
    if (!clock.isSet) await send(operation, [], async () => ({}), "read");
    return clock.now();
  }

  /** A write of this call may have been applied, so a failure of this read must not deny it. */
  function afterWrite(read: Promise<Item | undefined>): Promise<Item | undefined> {
    return read.catch((error) => {
      throw ofUnknownOutcome(error);
    });
  }

  const claimExpired: SessionStore["claimExpired"] = (until, limit) =>
    collectClaimed(async (claimed) => {
      // Whatever the caller's clock says, nothing that lives is claimed.
      const latest = Math.min(until, await time());
      const claim = async (item: Item) => {
        const unchanged = { accessCondition: { type: "IfMatch", condition: item._etag } };
        const answer = await send("claimExpired", ["missing", "changed"], (container, options) =>
          container.item(item.id, item.id).delete({ ...options, ...unchanged }),
        );
        if (answer !== "missing" && answer !== "changed") claimed.push({ key: keyOf(item), ...decode(item) });
      };
      const text = "SELECT * FROM c WHERE c.expires <= @now";
      for await (const page of query("claimExpired", text, { now: latest }, Math.min(limit, MAX_CLAIM_PAGE_SIZE))) {
        for (let start = 0; start < page.length; ) {
          const items = page.slice(start, start + Math.min(MAX_PARALLEL, limit - claimed.length));
          start += items.length;
          const results = await Promise.allSettled(items.map(claim));
          if (claimed.length === limit) return;
          for (const result of results) if (result.status === "rejected") throw result.reason;
        }
      }
    });

  return {
    name: "cosmos",

    async read(key) {
      const item = await findLive("read", safeName(key));
      return item && { ...decode(item), version: item.v };
    },

    async create(key, session) {
      const id = safeName(key);
      const content = encode(session, grace, await now("create"));
      const item = { id, ...(isHashed(id) && { name: key }), ...content };
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const answer = await send("create", ["exists"], (container, options) => container.items.create(item, options));
        if (answer !== "exists") return content.v;
        const found = await afterWrite(readItem("create", id));
        // A request of this call, whose answer was lost, has written it.
        if (found?.v === content.v) return content.v;
        if (found !== undefined && found.expires > clock.now()) return "exists";
        if (found === undefined) {
          // The item was deleted since, or this replica has not received it yet.
          if ((await afterWrite(findLive("create", id))) !== undefined) return "exists";
          continue;
        }
        const condition = `c.v = '${found.v}' and c.expires <= ${clock.now()}`;
        const replaced = await patch("create", id, condition, content, ["missing", "changed"]);
        if (replaced !== "missing" && replaced !== "changed") return content.v;
      }
      throw contentionError("create", key, MAX_ATTEMPTS);
    },

    async update(key, session, ifVersion) {
      const id = safeName(key);
      const content = encode(session, grace, await now("update"));
      // Only a version of this store may become a part of the condition.
      const isOwnVersion = typeof ifVersion === "string" && /^[0-9a-f]{24}$/.test(ifVersion);
      if (isOwnVersion) {
        const condition = `c.v = '${ifVersion}' and c.expires > ${clock.now()}`;
        const answer = await patch("update", id, condition, content, ["missing", "changed"]);
        if (answer === "missing") return "gone";
        if (answer !== "changed") return content.v;
      }
      // The refusal of a write carries the session token with which the read waits for the newest state.
      const found = await (isOwnVersion ? afterWrite(readItem("update", id)) : findLive("update", id));
      if (!isLive(found, clock.now())) return "gone";
      // A request of this call, whose answer was lost, may have written it.
      return found.v === content.v ? content.v : "conflict";
    },

    async delete(key, ifVersion) {
      const id = safeName(key);
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const found = await findLive("delete", id);
        if (found === undefined || (ifVersion !== undefined && found.v !== ifVersion)) return false;
        const unchanged = ifVersion !== undefined && { accessCondition: { type: "IfMatch", condition: found._etag } };
        const answer = await send("delete", ["missing", "changed"], (container, options) =>
          container.item(id, id).delete({ ...options, ...unchanged }),
        );
        if (answer !== "changed") return answer !== "missing";
      }
      throw contentionError("delete", key, MAX_ATTEMPTS);
    },

    async touch(key, expiresAt) {
      const present = await now("touch");
      const condition = `c.expires > ${present}`;
      const changes = { expires: expiresAt, ttl: ttlUntil(expiresAt + grace, present) };
      const answer = await patch("touch", safeName(key), condition, changes, ["missing", "changed"]);
      return answer !== "missing" && answer !== "changed";
    },

    time,

    close: service.close,

    async *list({ owner }) {
      const text = `SELECT c.id, c.name, c.expires, c.owner FROM c${owner === undefined ? "" : " WHERE c.owner = @owner"}`;
      for await (const page of query("list", text, owner === undefined ? {} : { owner }, MAX_LIST_PAGE_SIZE)) {
        for (const item of page) {
          if (isLive(item, clock.now())) yield withOwner({ key: keyOf(item), expiresAt: item.expires }, item.owner);
        }
      }
    },

    ...(options.claimExpired && { claimExpired }),
  };
}
