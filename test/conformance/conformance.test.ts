// The conformance suite itself: it passes a correct store, and catches every planted fault.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Capabilities, conformance, type Outage } from "../../src/conformance/index.ts";
import { type SessionChange, type SessionStore, type SessionWrite, type Version, withOwner } from "../../src/store.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { shiftedStore } from "../support/shifted-store.ts";

const HOUR = 3_600_000;

type MakeStore = () => SessionStore;

/** A correct store: each call gives another handle to one memory store. */
function farm(): MakeStore {
  const store = memory();
  return () => ({ ...store, close: async () => {} });
}

function run(makeStore: MakeStore, name: string, capabilities: Capabilities = {}, context?: { skip(): void }) {
  const found = conformance(makeStore, capabilities).find((candidate) => candidate.name === name);
  assert.ok(found, `no case is named "${name}"`);
  return found.run(context);
}

/** A fault that is planted in a store, and the cases that must catch it. */
interface Fault {
  is: string;
  plant(good: SessionStore, data: Map<string, SessionWrite>): Partial<SessionStore>;
  caughtBy: string[];
  capabilities?: Capabilities;
}

const faults: Fault[] = [
  {
    is: "update ignores the version",
    plant: (good) => ({
      async update(key, session, ifVersion) {
        const found = await good.read(key);
        return good.update(key, session, found?.version ?? ifVersion);
      },
    }),
    caughtBy: ['update: "conflict" changes nothing'],
  },
  {
    is: "update reads, compares and then writes",
    plant: (good) => ({
      async update(key, session, ifVersion) {
        const found = await good.read(key);
        if (found === undefined) return "gone";
        if (found.version !== ifVersion) return "conflict";
        await sleep(1);
        return good.update(key, session, (await good.read(key))?.version ?? ifVersion);
      },
    }),
    caughtBy: ["parallel: exactly one update from the same version wins", "parallel: no increment is lost"],
  },
  {
    is: "update inserts or replaces",
    plant: (good) => ({
      async update(key, session, ifVersion) {
        const answer = await good.update(key, session, ifVersion);
        return answer === "gone" ? good.create(key, session) : answer;
      },
    }),
    caughtBy: [
      "unknown key: not there for any method",
      "delete: a later update does not bring the session back",
      "expiry: an update does not bring a session back",
      "parallel: a delete beats any update and touch",
    ],
  },
  {
    is: "update writes before it answers conflict",
    plant: (good) => ({
      async update(key, session, ifVersion) {
        const answer = await good.update(key, session, ifVersion);
        if (answer === "conflict") await good.touch(key, session.expiresAt);
        return answer;
      },
    }),
    caughtBy: ['update: "conflict" changes nothing'],
  },
  {
    is: "update answers conflict for a deleted session",
    plant: (good) => ({
      update: async (...args) => {
        const answer = await good.update(...args);
        return answer === "gone" ? "conflict" : answer;
      },
    }),
    caughtBy: ["delete: gives true once, and the session is gone for every method"],
  },
  {
    is: "update keeps the old owner when none is given",
    plant: (good) => ({
      async update(key, session, ifVersion) {
        const owner = session.owner ?? (await good.read(key))?.owner;
        return good.update(key, owner === undefined ? session : { ...session, owner }, ifVersion);
      },
    }),
    caughtBy: ["update: replaces value, expiry and owner", "list: follows the owner that an update sets or removes"],
  },
  {
    is: "update does not move the expiry",
    plant: (good) => ({
      async update(key, session, ifVersion) {
        const expiresAt = (await good.read(key))?.expiresAt ?? session.expiresAt;
        return good.update(key, { ...session, expiresAt }, ifVersion);
      },
    }),
    caughtBy: [
      "update: replaces value, expiry and owner",
      "expiry: an update moves the end to a later or an earlier time",
    ],
  },
  {
    is: "the version never changes",
    plant: (good) => {
      const real = new Map<string, Version>();
      return {
        async create(key, session) {
          const version = await good.create(key, session);
          if (version === "exists") return version;
          real.set(key, version);
          return 1;
        },
        async update(key, session, ifVersion) {
          const version = await good.update(key, session, ifVersion === 1 ? real.get(key)! : ifVersion);
          if (version === "gone" || version === "conflict") return version;
          real.set(key, version);
          return 1;
        },
        async read(key, touchUntil) {
          const found = await good.read(key, touchUntil);
          return found && { ...found, version: 1 };
        },
      };
    },
    caughtBy: ["update: each one moves the version"],
  },
  {
    is: "versions count from 1 in each life of a key",
    plant: (good) => {
      const base = new Map<string, number>();
      return {
        async create(key, session) {
          const version = await good.create(key, session);
          if (version === "exists") return version;
          base.set(key, Number(version) - 1);
          return 1;
        },
        async update(key, session, ifVersion) {
          const version = await good.update(key, session, Number(ifVersion) + (base.get(key) ?? 0));
          return typeof version === "number" ? version - base.get(key)! : version;
        },
        delete: (key, ifVersion) =>
          good.delete(key, ifVersion === undefined ? undefined : Number(ifVersion) + (base.get(key) ?? 0)),
        async read(key, touchUntil) {
          const found = await good.read(key, touchUntil);
          return found && { ...found, version: Number(found.version) - base.get(key)! };
        },
      };
    },
    caughtBy: [
      "delete: the key is free again, and versions of its earlier life do not fit",
      "expiry: the key is free again",
    ],
  },
  {
    is: "create overwrites",
    plant: (good) => ({
      async create(key, session) {
        const answer = await good.create(key, session);
        if (answer !== "exists") return answer;
        await good.delete(key);
        return good.create(key, session);
      },
    }),
    caughtBy: [
      'create: answers "exists" for a live session and changes nothing',
      "parallel: exactly one create of a key wins",
    ],
  },
  {
    is: "create reads and then writes",
    plant: (good) => ({
      async create(key, session) {
        if (await good.read(key)) return "exists";
        await sleep(1);
        await good.delete(key);
        return good.create(key, session);
      },
    }),
    caughtBy: ["parallel: exactly one create of a key wins"],
  },
  {
    is: "touch revives a deleted or expired session",
    plant: (good, data) => ({
      async touch(key, expiresAt) {
        if (await good.touch(key, expiresAt)) return true;
        const ended = data.get(key);
        if (ended) await good.create(key, { ...ended, expiresAt });
        return false;
      },
    }),
    caughtBy: [
      "delete: a later touch does not bring the session back",
      "expiry: a touch does not bring a session back",
      "parallel: a delete beats any update and touch",
    ],
  },
  {
    is: "read with touchUntil revives an expired session",
    plant: (good, data) => ({
      async read(key, touchUntil) {
        const found = await good.read(key, touchUntil);
        const ended = data.get(key);
        if (!found && ended && touchUntil) await good.create(key, { ...ended, expiresAt: touchUntil });
        return found;
      },
    }),
    caughtBy: [
      "expiry: a touch does not bring a session back",
      "delete: a later touch does not bring the session back",
    ],
  },
  {
    is: "touch changes the version",
    plant: (good) => ({
      async touch(key, expiresAt) {
        const found = await good.read(key);
        return (
          found !== undefined && typeof (await good.update(key, { ...found, expiresAt }, found.version)) === "number"
        );
      },
    }),
    caughtBy: [
      "touch: moves the expiry and leaves value, owner and version alone",
      "parallel: a touch does not undo an update",
    ],
  },
  {
    is: "touch writes back the whole session that it read",
    plant: (good) => {
      const put = new Map<string, { value: Uint8Array; version: Version }>();
      return {
        async read(key) {
          const found = await good.read(key);
          return found && { ...found, ...put.get(key) };
        },
        async update(key, session, ifVersion) {
          const answer = await good.update(key, session, ifVersion);
          put.delete(key);
          return answer;
        },
        async touch(key, expiresAt) {
          const found = await good.read(key);
          await sleep(1);
          if (found) put.set(key, found);
          return good.touch(key, expiresAt);
        },
      };
    },
    caughtBy: ["parallel: a touch does not undo an update"],
  },
  {
    is: "touch never makes the expiry earlier",
    plant: (good) => ({
      async touch(key, expiresAt) {
        return good.touch(key, Math.max(expiresAt, (await good.read(key))?.expiresAt ?? 0));
      },
    }),
    caughtBy: [
      "touch: moves the expiry and leaves value, owner and version alone",
      "expiry: a touch can end the session earlier",
    ],
  },
  {
    is: "touch moves the reported expiry only",
    plant: (good) => {
      const reported = new Map<string, number>();
      return {
        async touch(key, expiresAt) {
          reported.set(key, expiresAt);
          return (await good.read(key)) !== undefined;
        },
        async read(key) {
          const found = await good.read(key);
          return found && { ...found, expiresAt: reported.get(key) ?? found.expiresAt };
        },
      };
    },
    caughtBy: ["expiry: a touch keeps a session beyond its first expiry"],
  },
  {
    is: "read reports touchUntil without moving the expiry",
    plant: (good) => ({
      async read(key, touchUntil) {
        const found = await good.read(key);
        return found && { ...found, expiresAt: touchUntil ?? found.expiresAt };
      },
    }),
    caughtBy: [
      "read: with touchUntil, reports the expiry that the store has",
      "expiry: a read reports a later expiry only if it has moved it",
    ],
  },
  {
    is: "read moves the expiry to touchUntil, also back",
    plant: (good) => ({
      async read(key, touchUntil) {
        if (touchUntil !== undefined) await good.touch(key, touchUntil);
        return good.read(key);
      },
    }),
    caughtBy: ["read: with touchUntil, never moves the expiry back"],
  },
  {
    is: "read with a touchUntil in the past ends the session",
    plant: (good) => ({
      async read(key, touchUntil) {
        if (touchUntil !== undefined && touchUntil < Date.now()) await good.delete(key);
        return good.read(key);
      },
    }),
    caughtBy: ["read: with touchUntil, never moves the expiry back"],
  },
  {
    is: "touch answers true, and moves nothing",
    plant: (good) => ({
      read: (key) => good.read(key),
      touch: async (key) => (await good.read(key)) !== undefined,
    }),
    caughtBy: [
      "expiry: a touch keeps a session beyond its first expiry",
      "core: a session that is opened just before its end, and committed after it, is kept with its changes",
      "core: a handler that runs for longer than the idle timeout keeps its session",
    ],
  },
  ...[HOUR, -HOUR].map((ahead) => ({
    is: `time is an hour ${ahead > 0 ? "ahead of" : "behind"} the clock that decides`,
    plant: () => ({ time: async () => Date.now() + ahead }),
    caughtBy: ["time: goes with the store's decisions about expiry, to a second"],
  })),
  {
    is: "time gives seconds",
    plant: () => ({ time: async () => Date.now() / 1_000 }),
    caughtBy: ["time: goes with the store's decisions about expiry, to a second"],
  },
  {
    is: "owners are normalized",
    plant: (good) => ({
      create: (key, session) => good.create(key, normalized(session)),
      update: (key, session, ifVersion) => good.update(key, normalized(session), ifVersion),
    }),
    caughtBy: ["values: an owner is read back exactly as it was written"],
  },
  {
    is: "sessions live for longer than they should",
    plant: (good) => ({
      create: (key, session) => good.create(key, { ...session, expiresAt: session.expiresAt + HOUR }),
    }),
    caughtBy: ["core: a session ends after its idle timeout"],
  },
  {
    is: "read gives no owner",
    plant: (good) => ({
      inProcess: undefined as never, // so that the core seals the record, and binds it to the owner
      async read(key, touchUntil) {
        const found = await good.read(key, touchUntil);
        return found && { value: found.value, expiresAt: found.expiresAt, version: found.version };
      },
    }),
    caughtBy: ["core: a session opens with the owner that was written with it"],
  },
  {
    is: "read gives expired sessions",
    plant: (good, data) => ({
      async read(key) {
        const found = await good.read(key);
        const ended = data.get(key);
        return found ?? (ended && ended.expiresAt < Date.now() ? { ...ended, version: 1 } : undefined);
      },
    }),
    caughtBy: ["expiry: an expired session is not there for any method"],
  },
  {
    is: "delete answers true for an expired session",
    plant: (good, data) => ({
      async delete(key) {
        return (await good.delete(key)) || (data.get(key)?.expiresAt ?? Infinity) < Date.now();
      },
    }),
    caughtBy: ["expiry: an expired session is not there for any method"],
  },
  {
    is: "create answers exists for the row of an expired session",
    plant: (good, data) => ({
      async create(key, session) {
        return (data.get(key)?.expiresAt ?? Infinity) < Date.now() ? "exists" : good.create(key, session);
      },
    }),
    caughtBy: ["expiry: the key is free again"],
  },
  {
    is: "list gives expired sessions",
    plant: (_, data) => ({
      async *list({ owner }) {
        for (const [key, session] of data) {
          const { value: _, ...rest } = session;
          if (owner === undefined || session.owner === owner) yield { key, ...rest };
        }
      },
    }),
    caughtBy: ["expiry: list leaves out expired sessions"],
  },
  {
    is: "delete ignores ifVersion",
    plant: (good) => ({ delete: (key) => good.delete(key) }),
    caughtBy: ["delete: with ifVersion, only that version"],
  },
  {
    is: "delete reads and then removes",
    plant: (good) => ({
      async delete(key) {
        const found = await good.read(key);
        await sleep(1);
        await good.delete(key);
        return found !== undefined;
      },
    }),
    caughtBy: ["parallel: exactly one delete gets true"],
  },
  {
    is: "values are converted to UTF-8",
    plant: (good) => ({
      create: (key, session) => good.create(key, { ...session, value: utf8(session.value) }),
      update: (key, session, ifVersion) => good.update(key, { ...session, value: utf8(session.value) }, ifVersion),
    }),
    caughtBy: ["values: any bytes are read back unchanged"],
  },
  {
    is: "the empty value counts as no session",
    plant: (good) => ({
      async read(key, touchUntil) {
        const found = await good.read(key, touchUntil);
        return found?.value.length ? found : undefined;
      },
    }),
    caughtBy: ["values: any bytes are read back unchanged"],
  },
  {
    is: "a part of a buffer is stored as the whole buffer",
    plant: (good) => ({
      create: (key, session) =>
        good.create(key, { ...session, value: new Uint8Array(session.value.buffer as ArrayBuffer) }),
    }),
    caughtBy: ["values: any bytes are read back unchanged"],
  },
  {
    is: "the caller's buffer is kept",
    plant: (good) => {
      const kept = new Map<string, Uint8Array>();
      return {
        async create(key, session) {
          kept.set(key, session.value);
          return good.create(key, session);
        },
        async read(key) {
          const found = await good.read(key);
          return found && { ...found, value: kept.get(key) ?? found.value };
        },
      };
    },
    caughtBy: ["values: a write does not keep the caller's buffer"],
  },
  {
    is: "all reads share a buffer",
    plant: (good) => {
      const shared = Buffer.alloc(2_000_000);
      return {
        async read(key) {
          const found = await good.read(key);
          if (found === undefined) return undefined;
          shared.set(found.value);
          return { ...found, value: shared.subarray(0, found.value.length) };
        },
      };
    },
    caughtBy: ["values: a value that was read does not change later"],
  },
  {
    is: "values are cut at 65,535 bytes",
    plant: (good) => ({
      create: (key, session) => good.create(key, { ...session, value: session.value.subarray(0, 65_535) }),
      update: (key, session, ifVersion) =>
        good.update(key, { ...session, value: session.value.subarray(0, 65_535) }, ifVersion),
    }),
    caughtBy: ["values: large values, and changes between large and small ones"],
  },
  {
    is: "a smaller value keeps the rest of the larger one before it",
    plant: (good) => ({
      async update(key, session, ifVersion) {
        const old = (await good.read(key))?.value ?? new Uint8Array();
        const value = Buffer.concat([session.value, old.subarray(session.value.length)]);
        return good.update(key, { ...session, value }, ifVersion);
      },
    }),
    caughtBy: ["values: large values, and changes between large and small ones"],
  },
  {
    is: "keys are not case-sensitive",
    plant: (good) => ({
      create: (key, session) => good.create(key.toLowerCase(), session),
      read: (key) => good.read(key.toLowerCase()),
      delete: (key) => good.delete(key.toLowerCase()),
    }),
    caughtBy: ["values: keys differ by every character"],
  },
  {
    is: "expiries are rounded to seconds",
    plant: (good) => ({
      create: (key, session) =>
        good.create(key, { ...session, expiresAt: Math.floor(session.expiresAt / 1000) * 1000 + 1 }),
    }),
    caughtBy: ["create: read gives back the value, expiry, owner and version"],
  },
  {
    is: "an owner's list keeps sessions that an update gave to another owner",
    plant: (good) => {
      const ever = new Map<string, Set<string>>();
      const remember = (key: string, { owner }: SessionWrite) => {
        if (owner !== undefined) ever.set(owner, (ever.get(owner) ?? new Set()).add(key));
      };
      return {
        create(key, session) {
          remember(key, session);
          return good.create(key, session);
        },
        update(key, session, ifVersion) {
          remember(key, session);
          return good.update(key, session, ifVersion);
        },
        async *list({ owner }) {
          for (const key of ever.get(owner ?? "") ?? []) {
            const found = await good.read(key);
            if (found) yield { key, expiresAt: found.expiresAt, owner: owner! };
          }
        },
      };
    },
    caughtBy: ["list: follows the owner that an update sets or removes"],
  },
  {
    is: "an owner's list keeps deleted sessions",
    plant: (_, data) => ({
      async *list({ owner }) {
        for (const [key, session] of data)
          if (session.owner === owner) yield { key, expiresAt: session.expiresAt, owner: owner! };
      },
    }),
    caughtBy: ["list: follows touch and delete"],
  },
  {
    is: "an owner is used as a pattern",
    plant: (good) => ({
      async *list({ owner }) {
        const alike = (name = "") =>
          name.length === owner!.length && [...owner!].every((c, at) => "%_".includes(c) || name[at] === c);
        for await (const entry of good.list!({})) if (owner === undefined || alike(entry.owner)) yield entry;
      },
    }),
    caughtBy: ["list: owners are opaque strings"],
  },
  {
    is: "owners are not case-sensitive",
    plant: (good) => ({
      async *list({ owner }) {
        for await (const entry of good.list!({}))
          if (!owner || entry.owner?.toLowerCase() === owner.toLowerCase()) yield entry;
      },
    }),
    caughtBy: ["list: owners are opaque strings"],
  },
  {
    is: "list gives the first hundred sessions only",
    plant: (good) => ({
      async *list(query) {
        let count = 0;
        for await (const entry of good.list!(query)) if (++count <= 100) yield entry;
      },
    }),
    caughtBy: ["list: a session can be deleted while the list runs", "values: a thousand concurrent sessions"],
  },
  {
    is: "list pages by offset",
    plant: (good) => ({
      async *list(query) {
        for (let offset = 0; ; offset += 50) {
          const all = [];
          for await (const entry of good.list!(query)) all.push(entry);
          if (offset >= all.length) return;
          yield* all.slice(offset, offset + 50);
        }
      },
    }),
    caughtBy: ["list: a session can be deleted while the list runs"],
  },
  {
    is: "list keeps a connection when it is stopped early",
    plant: (good) => {
      let free = 10;
      return {
        async *list(query) {
          if (free === 0) throw new Error("no connection is free");
          free--;
          yield* good.list!(query);
          free++;
        },
      };
    },
    caughtBy: ["list: can be stopped early"],
  },
  {
    is: "two sweepers claim the same session",
    plant: (good) => {
      const expired = new Map<string, SessionWrite>();
      return {
        async claimExpired(now, limit) {
          for (const { key, ...session } of await good.claimExpired!(now, 1000)) expired.set(key, session);
          const claimed = [...expired].slice(0, limit).map(([key, session]) => ({ key, ...session }));
          await sleep(1);
          for (const { key } of claimed) expired.delete(key);
          return claimed;
        },
      };
    },
    caughtBy: ["claimExpired: gives each session to one of many sweepers"],
  },
  {
    is: "claimExpired removes nothing",
    plant: (_, data) => ({
      async claimExpired(now, limit) {
        const claimed = [...data].filter(([, session]) => session.expiresAt < now).slice(0, limit);
        return claimed.map(([key, session]) => ({ key, ...session }));
      },
    }),
    caughtBy: ["claimExpired: gives each session to one of many sweepers"],
  },
  {
    is: "claimExpired ignores the limit",
    plant: (good) => ({ claimExpired: (now) => good.claimExpired!(now, 1000) }),
    caughtBy: ["claimExpired: gives no more than the limit"],
  },
  {
    is: "claimExpired removes more sessions than it gives",
    plant: (good) => ({ claimExpired: async (now, limit) => (await good.claimExpired!(now, 1000)).slice(0, limit) }),
    caughtBy: ["claimExpired: gives no more than the limit"],
  },
  {
    is: "claimExpired uses its own clock",
    plant: (good) => ({ claimExpired: (_now, limit) => good.claimExpired!(Date.now() + 1000, limit) }),
    caughtBy: ["claimExpired: leaves a session that expired after the given instant"],
  },
  {
    is: "claimExpired goes by its own clock alone",
    plant: (good) => ({ claimExpired: (_now, limit) => good.claimExpired!(Date.now(), limit) }),
    caughtBy: ["claimExpired: leaves a session that expired after the given instant"],
  },
  {
    is: "claimExpired trims owners",
    plant: (good) => ({
      claimExpired: async (now, limit) =>
        (await good.claimExpired!(now, limit)).map((session) => withOwner(session, session.owner?.trim())),
    }),
    caughtBy: ["claimExpired: gives each owner exactly as it was written"],
  },
  {
    is: "claimExpired takes live sessions",
    plant: (good, data) => ({
      async claimExpired(_now, limit) {
        const claimed = [];
        for (const [key, session] of data) {
          if (claimed.length < limit && (session.expiresAt < Date.now() || (await good.delete(key)))) {
            data.delete(key);
            claimed.push({ key, ...session });
          }
        }
        return claimed;
      },
    }),
    caughtBy: ["claimExpired: gives expired sessions with key, value, expiry and owner, and leaves live ones"],
  },
  {
    is: "claimExpired uses the first expiry",
    plant: (good) => {
      const first = new Map<string, SessionWrite>();
      return {
        async create(key, session) {
          if (!first.has(key)) first.set(key, session);
          return good.create(key, session);
        },
        async claimExpired(now, limit) {
          const claimed = [];
          for (const [key, session] of first) {
            if (session.expiresAt > now || claimed.length === limit) continue;
            first.delete(key);
            await good.delete(key);
            claimed.push({ key, ...session });
          }
          return claimed;
        },
      };
    },
    caughtBy: [
      "claimExpired: follows the expiry that touch and update set",
      "claimExpired: leaves a new session under an expired key",
    ],
  },
  {
    is: "claimExpired leaves out the owner",
    plant: (good) => ({
      claimExpired: async (now, limit) =>
        (await good.claimExpired!(now, limit)).map(({ key, value, expiresAt }) => ({ key, value, expiresAt })),
    }),
    caughtBy: ["claimExpired: gives expired sessions with key, value, expiry and owner, and leaves live ones"],
  },
  {
    is: "claimExpired gives sealed records without their owner",
    plant: (good) => ({
      inProcess: undefined as never,
      claimExpired: async (now, limit) =>
        (await good.claimExpired!(now, limit)).map(({ key, value, expiresAt }) => ({ key, value, expiresAt })),
    }),
    caughtBy: ["core: the end of an expired session is reported with what was in it"],
  },
  {
    is: "watch does not report deletes",
    plant: (good) => ({ watch: (listener) => good.watch!((change) => change.type === "write" && listener(change)) }),
    caughtBy: ["watch: reports the writes and deletes of its own handle"],
    capabilities: { watch: true },
  },
  {
    is: "watch can't be stopped",
    plant: (good) => ({
      async watch(listener) {
        await good.watch!(listener);
        return async () => {};
      },
    }),
    caughtBy: ["watch: can stop one of several listeners"],
  },
  {
    is: "a listener that throws fails the writer",
    plant: (good) => {
      const listeners = new Set<(change: SessionChange) => void>();
      const notify = (change: SessionChange) => {
        for (const listener of listeners) listener(change);
      };
      return {
        async watch(listener) {
          listeners.add(listener);
          return async () => void listeners.delete(listener);
        },
        async update(key, session, ifVersion) {
          const answer = await good.update(key, session, ifVersion);
          notify({ key, type: "write" });
          return answer;
        },
        async delete(key, ifVersion) {
          const isDeleted = await good.delete(key, ifVersion);
          if (isDeleted) notify({ key, type: "delete" });
          return isDeleted;
        },
      };
    },
    caughtBy: ["watch: a listener that throws disturbs neither the writer nor other listeners"],
    capabilities: { watch: true },
  },
  {
    is: "a promised method is missing",
    plant: () => ({ watch: undefined as never }),
    caughtBy: ["shape: has watch(), as promised"],
    capabilities: { watch: true },
  },
];

/** A store with the fault in each handle. `data` has the last write of every key, deleted ones included. */
function faulty({ plant }: Fault): MakeStore {
  const data = new Map<string, SessionWrite>();
  const good = memory();
  const recording: SessionStore = {
    ...good,
    async create(key, session) {
      const answer = await good.create(key, session);
      if (answer !== "exists") data.set(key, { ...session, value: session.value.slice() });
      return answer;
    },
    async update(key, session, ifVersion) {
      const answer = await good.update(key, session, ifVersion);
      if (answer !== "gone" && answer !== "conflict") data.set(key, { ...session, value: session.value.slice() });
      return answer;
    },
    async close() {},
  };
  const store = { ...recording, ...plant(recording, data) };
  return () => store;
}

function normalized(session: SessionWrite): SessionWrite {
  return withOwner({ ...session }, session.owner?.normalize());
}

function utf8(value: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(value).toString("utf8"));
}

/** A server that can be stopped, and a client with the methods that `down` gives while the server is down. */
function server(down: (store: SessionStore) => Partial<SessionStore>) {
  const data = memory();
  const subscriptions = new Set<((listening: boolean) => void) | undefined>();
  let up = true;
  const makeStore: MakeStore = () => {
    const whileDown = { ...data, ...rejecting, ...down(data) };
    const choose = (method: keyof SessionStore) =>
      ((...args: never[]) => ((up ? data : whileDown)[method] as (...args: never[]) => unknown)(...args)) as never;
    return {
      read: choose("read"),
      create: choose("create"),
      update: choose("update"),
      delete: choose("delete"),
      touch: choose("touch"),
      list: choose("list"),
      claimExpired: choose("claimExpired"),
      async watch(listener, onListening) {
        subscriptions.add(onListening);
        return data.watch!(listener);
      },
      close: async () => {},
    };
  };
  const outage: Outage = {
    stop: async () => {
      up = false;
      for (const onListening of subscriptions) onListening?.(false);
    },
    start: async () => {
      up = true;
      for (const onListening of subscriptions) onListening?.(true);
    },
    within: 1_000,
  };
  return { makeStore, outage };
}

const reject = async (): Promise<never> => {
  throw new Error("connection refused");
};
const rejecting: Partial<SessionStore> = {
  read: reject,
  create: reject,
  update: reject,
  delete: reject,
  touch: reject,
  claimExpired: reject,
  // biome-ignore lint/correctness/useYield: it throws before the first value
  async *list() {
    throw new Error("connection refused");
  },
};

const FAILURE_CASES = [
  "outage: every method fails while the server is down, and works again afterwards",
  "outage: pending calls fail",
];
const outageFaults: { is: string; down(store: SessionStore): Partial<SessionStore>; caughtBy: string[] }[] = [
  { is: "read gives undefined", down: () => ({ read: async () => undefined }), caughtBy: FAILURE_CASES },
  { is: "touch gives false", down: () => ({ touch: async () => false }), caughtBy: FAILURE_CASES.slice(0, 1) },
  { is: "delete gives false", down: () => ({ delete: async () => false }), caughtBy: FAILURE_CASES.slice(0, 1) },
  {
    is: "update answers gone",
    down: () => ({ update: async () => "gone" as const }),
    caughtBy: FAILURE_CASES.slice(0, 1),
  },
  { is: "create answers with a version", down: () => ({ create: async () => 1 }), caughtBy: FAILURE_CASES.slice(0, 1) },
  { is: "list is empty", down: () => ({ async *list() {} }), caughtBy: FAILURE_CASES.slice(0, 1) },
  {
    is: "claimExpired claims nothing",
    down: () => ({ claimExpired: async () => [] }),
    caughtBy: FAILURE_CASES.slice(0, 1),
  },
  {
    is: "read never settles",
    down: () => ({ read: () => new Promise(() => {}) }),
    caughtBy: FAILURE_CASES.slice(0, 1),
  },
];

// Concurrent, since the cases mostly wait.
describe("conformance", { concurrency: true }, () => {
  describe("the suite passes a correct store", { concurrency: true }, () => {
    const promised = { list: true, claimExpired: true, watch: true };
    // Each case has its own store, so that they can run concurrently: sweepers would claim each other's sessions.
    for (const { name } of conformance(farm(), promised)) test(name, () => run(farm(), name, promised));

    for (const name of [...FAILURE_CASES, "outage: watch works again afterwards"]) {
      const { makeStore, outage } = server(() => ({}));
      test(name, () => run(makeStore, name, { outage }));
    }
  });

  for (const ahead of [HOUR, -HOUR]) {
    const clock = `an hour ${ahead > 0 ? "ahead" : "behind"}`;
    describe(`the suite passes a correct store whose clock is ${clock}`, { concurrency: true }, () => {
      const promised = { list: true, claimExpired: true, time: true, watch: false };
      for (const { name } of conformance(farm(), promised)) {
        const store = shiftedStore(ahead);
        test(name, () => run(() => ({ ...store, close: async () => {} }), name, promised));
      }
    });
  }

  describe("the suite catches a store in which", { concurrency: true }, () => {
    for (const fault of faults) {
      for (const name of fault.caughtBy) {
        test(`${fault.is}, by "${name}"`, () => assert.rejects(run(faulty(fault), name, fault.capabilities)));
      }
    }
  });

  describe("the suite catches a store in which, during an outage,", { concurrency: true }, () => {
    for (const { is, down, caughtBy } of outageFaults) {
      for (const name of caughtBy) {
        const { makeStore, outage } = server(down);
        test(`${is}, by "${name}"`, () =>
          assert.rejects(run(makeStore, name, { outage }), /outage|while the server was down|went down/));
      }
    }

    for (const lost of [true, false]) {
      test(`watch does not report ${lost ? "that it no longer listens" : "that it listens again"}`, async () => {
        const { makeStore, outage } = server(() => ({}));
        const makeSilent = () => {
          const store = makeStore();
          const watch: SessionStore["watch"] = (listener, onListening) =>
            store.watch!(listener, (listening) => listening === lost && onListening?.(listening));
          return { ...store, watch };
        };
        await assert.rejects(run(makeSilent, "outage: watch works again afterwards", { outage }), /onListening/);
      });
    }

    test("the handle does not work again", async () => {
      const { makeStore, outage } = server(() => ({}));
      let broken = false;
      const stop = async () => {
        await outage.stop();
        broken = true;
      };
      const makeBroken = () => {
        const store = makeStore();
        return {
          ...store,
          create: (...args: Parameters<SessionStore["create"]>) => (broken ? reject() : store.create(...args)),
        };
      };
      await assert.rejects(
        run(makeBroken, FAILURE_CASES[0]!, { outage: { ...outage, stop } }),
        /same handle must work again/,
      );
    });
  });

  describe("with several processes, the suite catches a store", { concurrency: 2 }, () => {
    const separate = { processes: new URL("../fixtures/conformance/memory.ts", import.meta.url) };
    const endless = { processes: new URL("../fixtures/conformance/endless.ts", import.meta.url) };

    test("that is separate in each process, by the increments", () =>
      assert.rejects(run(farm(), "processes: no increment is lost", separate), /live|alive/));
    test("that is separate in each process, by the creates", () =>
      assert.rejects(run(farm(), "processes: exactly one create of a key wins", separate), /Exactly one/));
    test("that loses the writes of a killed process", () =>
      assert.rejects(
        run(farm(), "processes: killing a writer loses no acknowledged write and blocks no other process", separate),
      ));
    test("whose close leaves something open", () =>
      assert.rejects(run(farm(), "processes: exit once the store is closed", endless), /close must free/));
    test("whose module can't be loaded", () =>
      assert.rejects(
        run(farm(), "processes: no increment is lost", { processes: "file:///no/such/module.js" }),
        /no\/such\/module/,
      ));
  });

  test("the store in docs/writing-a-store.md passes", async () => {
    const page = readFileSync(new URL("../../docs/writing-a-store.md", import.meta.url), "utf8");
    const source = /<!-- my-store\.js -->\n```js\n(.*?)```/s.exec(page)![1]!;
    const { myStore } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
    await Promise.all(
      conformance(farm()).map(({ name }) => {
        const rows = new Map();
        return run(() => myStore(rows), name);
      }),
    );
  });

  describe("the list of cases", () => {
    const names = (capabilities: Capabilities) => conformance(farm(), capabilities).map(({ name }) => name);

    test("has unique names, and no case takes a callback", () => {
      const outage = { stop: async () => {}, start: async () => {} };
      const all = conformance(farm(), { processes: "x", outage, list: true, claimExpired: true, watch: true });
      assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
      assert.ok(all.every(({ run }) => run.length === 0));
    });

    test("leaves out the cases for capabilities that the store lacks", () => {
      assert.ok(!names({ list: false }).some((name) => /^list|list leaves/.test(name)));
      assert.ok(!names({ claimExpired: false }).some((name) => name.startsWith("claimExpired")));
      assert.ok(!names({ watch: false }).some((name) => name.startsWith("watch")));
      assert.ok(!names({ time: false }).some((name) => name.startsWith("time")));
      assert.ok(!names({ shared: false }).some((name) => name.startsWith("handles")));
      assert.ok(!names({}).some((name) => /^(processes|outage)/.test(name)));
    });

    test("skips a case if the store lacks the method and the capability is not given", async () => {
      const { list: _, ...rest } = memory();
      let skipped = 0;
      await run(() => rest, "list: can be stopped early", { shared: false }, { skip: () => skipped++ });
      await run(() => rest, "list: can be stopped early", { shared: false });
      assert.equal(skipped, 1);
    });

    test("closes every handle that it opened, also when a case fails", async () => {
      let open = 0;
      const makeStore = () => {
        open++;
        return { ...memory(), close: async () => void open-- };
      };
      await assert.rejects(run(makeStore, "handles: each sees the other's changes immediately"));
      assert.equal(open, 0);
    });
  });
});
