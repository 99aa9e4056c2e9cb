import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Capabilities, conformance, type Outage } from "../src/conformance/index.ts";
import type { SessionStore, SessionWrite, Version } from "../src/store.ts";
import { memory } from "../src/stores/memory.ts";

type MakeStore = () => SessionStore;

/** A correct store of which each call gives another handle: a memory store that all of them share. */
function farm(): MakeStore {
  const store = memory();
  return () => ({ ...store, close: async () => {} });
}

function run(makeStore: MakeStore, name: string, capabilities: Capabilities = {}, context?: { skip(): void }) {
  const found = conformance(makeStore, capabilities).find((candidate) => candidate.name === name);
  assert.ok(found, `no case is named "${name}"`);
  return found.run(context);
}

/** A store with a planted fault, and the cases that must catch it. */
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
      "delete: an update after it brings nothing back",
      "expiry: an update brings nothing back",
      "parallel: a delete beats any update and touch",
    ],
  },
  {
    is: "update writes what it then calls a conflict",
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
    is: "update says conflict of a deleted session",
    plant: (good) => ({
      update: async (...args) => {
        const answer = await good.update(...args);
        return answer === "gone" ? "conflict" : answer;
      },
    }),
    caughtBy: ["delete: true for the one that removed it, and gone for every method"],
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
    is: "update forgets to move the expiry",
    plant: (good) => ({
      async update(key, session, ifVersion) {
        const expiresAt = (await good.read(key))?.expiresAt ?? session.expiresAt;
        return good.update(key, { ...session, expiresAt }, ifVersion);
      },
    }),
    caughtBy: ["update: replaces value, expiry and owner", "expiry: an update moves the end, later and earlier"],
  },
  {
    is: "the version stands still",
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
    is: "create looks and then writes",
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
    is: "touch revives what was deleted or has expired",
    plant: (good, data) => ({
      async touch(key, expiresAt) {
        if (await good.touch(key, expiresAt)) return true;
        const buried = data.get(key);
        if (buried) await good.create(key, { ...buried, expiresAt });
        return false;
      },
    }),
    caughtBy: [
      "delete: a touch after it brings nothing back",
      "expiry: a touch brings nothing back",
      "parallel: a delete beats any update and touch",
    ],
  },
  {
    is: "read with touchUntil revives what has expired",
    plant: (good, data) => ({
      async read(key, touchUntil) {
        const found = await good.read(key, touchUntil);
        const buried = data.get(key);
        if (!found && buried && touchUntil) await good.create(key, { ...buried, expiresAt: touchUntil });
        return found;
      },
    }),
    caughtBy: ["expiry: a touch brings nothing back", "delete: a touch after it brings nothing back"],
  },
  {
    is: "touch moves the version",
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
      "parallel: a touch undoes no update",
    ],
  },
  {
    is: "touch writes the whole record that it read before",
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
    caughtBy: ["parallel: a touch undoes no update"],
  },
  {
    is: "touch only ever prolongs",
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
    is: "touch moves what read reports, but not the end",
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
    caughtBy: ["expiry: a touch keeps the session beyond its first end"],
  },
  {
    is: "read reports touchUntil without moving anything",
    plant: (good) => ({
      async read(key, touchUntil) {
        const found = await good.read(key);
        return found && { ...found, expiresAt: touchUntil ?? found.expiresAt };
      },
    }),
    caughtBy: [
      "read: touchUntil gives the old expiry or the new one, and what it says is so",
      "expiry: a read that reports a later expiry has moved it",
    ],
  },
  {
    is: "read gives the expired",
    plant: (good, data) => ({
      async read(key) {
        const found = await good.read(key);
        const buried = data.get(key);
        return found ?? (buried && buried.expiresAt < Date.now() ? { ...buried, version: 1 } : undefined);
      },
    }),
    caughtBy: ["expiry: an expired session is not there for any method"],
  },
  {
    is: "delete says true of the expired",
    plant: (good, data) => ({
      async delete(key) {
        return (await good.delete(key)) || (data.get(key)?.expiresAt ?? Infinity) < Date.now();
      },
    }),
    caughtBy: ["expiry: an expired session is not there for any method"],
  },
  {
    is: "create is refused while an expired session's row is there",
    plant: (good, data) => ({
      async create(key, session) {
        return (data.get(key)?.expiresAt ?? Infinity) < Date.now() ? "exists" : good.create(key, session);
      },
    }),
    caughtBy: ["expiry: the key is free again"],
  },
  {
    is: "list gives the expired",
    plant: (_, data) => ({
      async *list({ owner }) {
        for (const [key, session] of data) {
          const { value: _, ...rest } = session;
          if (owner === undefined || session.owner === owner) yield { key, ...rest };
        }
      },
    }),
    caughtBy: ["expiry: list leaves out the expired"],
  },
  {
    is: "delete ignores ifVersion",
    plant: (good) => ({ delete: (key) => good.delete(key) }),
    caughtBy: ["delete: with ifVersion, only that version"],
  },
  {
    is: "delete looks and then removes",
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
    is: "values go through UTF-8",
    plant: (good) => ({
      create: (key, session) => good.create(key, { ...session, value: utf8(session.value) }),
      update: (key, session, ifVersion) => good.update(key, { ...session, value: utf8(session.value) }, ifVersion),
    }),
    caughtBy: ["values: any bytes come back as they were"],
  },
  {
    is: "the empty value is no value",
    plant: (good) => ({
      async read(key, touchUntil) {
        const found = await good.read(key, touchUntil);
        return found?.value.length ? found : undefined;
      },
    }),
    caughtBy: ["values: any bytes come back as they were"],
  },
  {
    is: "a part of a buffer is taken for the whole",
    plant: (good) => ({
      create: (key, session) =>
        good.create(key, { ...session, value: new Uint8Array(session.value.buffer as ArrayBuffer) }),
    }),
    caughtBy: ["values: any bytes come back as they were"],
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
    caughtBy: ["values: what the caller does to its buffer later changes nothing"],
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
    caughtBy: ["values: what was read stays as it was"],
  },
  {
    is: "values are cut at 65,535 bytes",
    plant: (good) => ({
      create: (key, session) => good.create(key, { ...session, value: session.value.subarray(0, 65_535) }),
      update: (key, session, ifVersion) =>
        good.update(key, { ...session, value: session.value.subarray(0, 65_535) }, ifVersion),
    }),
    caughtBy: ["values: large, and from large to small and back"],
  },
  {
    is: "what is left of a larger value stays behind a smaller one",
    plant: (good) => ({
      async update(key, session, ifVersion) {
        const old = (await good.read(key))?.value ?? new Uint8Array();
        const value = Buffer.concat([session.value, old.subarray(session.value.length)]);
        return good.update(key, { ...session, value }, ifVersion);
      },
    }),
    caughtBy: ["values: large, and from large to small and back"],
  },
  {
    is: "keys are compared without case",
    plant: (good) => ({
      create: (key, session) => good.create(key.toLowerCase(), session),
      read: (key) => good.read(key.toLowerCase()),
      delete: (key) => good.delete(key.toLowerCase()),
    }),
    caughtBy: ["values: keys differ by every character"],
  },
  {
    is: "expiries are whole seconds",
    plant: (good) => ({
      create: (key, session) =>
        good.create(key, { ...session, expiresAt: Math.floor(session.expiresAt / 1000) * 1000 + 1 }),
    }),
    caughtBy: ["create: read gives back the value, expiry, owner and version"],
  },
  {
    is: "the owner's list forgets to take off what an update moved",
    plant: (good) => {
      const ever = new Map<string, Set<string>>();
      const note = (key: string, { owner }: SessionWrite) => {
        if (owner !== undefined) ever.set(owner, (ever.get(owner) ?? new Set()).add(key));
      };
      return {
        create(key, session) {
          note(key, session);
          return good.create(key, session);
        },
        update(key, session, ifVersion) {
          note(key, session);
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
    is: "the owner's list keeps the deleted",
    plant: (_, data) => ({
      async *list({ owner }) {
        for (const [key, session] of data)
          if (session.owner === owner) yield { key, expiresAt: session.expiresAt, owner: owner! };
      },
    }),
    caughtBy: ["list: follows touch and delete"],
  },
  {
    is: "owners are a pattern",
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
    is: "owners are compared without case",
    plant: (good) => ({
      async *list({ owner }) {
        for await (const entry of good.list!({}))
          if (!owner || entry.owner?.toLowerCase() === owner.toLowerCase()) yield entry;
      },
    }),
    caughtBy: ["list: owners are opaque strings"],
  },
  {
    is: "list gives the first hundred",
    plant: (good) => ({
      async *list(query) {
        let count = 0;
        for await (const entry of good.list!(query)) if (++count <= 100) yield entry;
      },
    }),
    caughtBy: ["list: a session can be deleted while the list runs", "values: a thousand sessions at once"],
  },
  {
    is: "list turns pages by offset",
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
    is: "list holds a connection when it is left",
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
    caughtBy: ["list: can be left early"],
  },
  {
    is: "two sweepers claim the same",
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
    caughtBy: ["claimExpired: each session goes to one of many sweepers"],
  },
  {
    is: "claimExpired removes nothing",
    plant: (_, data) => ({
      async claimExpired(now, limit) {
        const claimed = [...data].filter(([, session]) => session.expiresAt < now).slice(0, limit);
        return claimed.map(([key, session]) => ({ key, ...session }));
      },
    }),
    caughtBy: ["claimExpired: each session goes to one of many sweepers"],
  },
  {
    is: "claimExpired ignores the limit",
    plant: (good) => ({ claimExpired: (now) => good.claimExpired!(now, 1000) }),
    caughtBy: ["claimExpired: gives no more than the limit"],
  },
  {
    is: "claimExpired drops what is over the limit",
    plant: (good) => ({ claimExpired: async (now, limit) => (await good.claimExpired!(now, 1000)).slice(0, limit) }),
    caughtBy: ["claimExpired: gives no more than the limit"],
  },
  {
    is: "claimExpired goes by its own clock",
    plant: (good) => ({ claimExpired: (_now, limit) => good.claimExpired!(Date.now() + 1000, limit) }),
    caughtBy: ["claimExpired: leaves what expired after the given instant"],
  },
  {
    is: "claimExpired takes the living",
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
    caughtBy: ["claimExpired: gives the expired with key, value, expiry and owner, and leaves the living"],
  },
  {
    is: "claimExpired goes by the first expiry",
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
      "claimExpired: leaves a session that began anew under an expired key",
    ],
  },
  {
    is: "claimExpired forgets the owner",
    plant: (good) => ({
      claimExpired: async (now, limit) =>
        (await good.claimExpired!(now, limit)).map(({ key, value, expiresAt }) => ({ key, value, expiresAt })),
    }),
    caughtBy: ["claimExpired: gives the expired with key, value, expiry and owner, and leaves the living"],
  },
  {
    is: "watch is silent about deletes",
    plant: (good) => ({ watch: (listener) => good.watch!((change) => change.type === "write" && listener(change)) }),
    caughtBy: ["watch: reports the writes and deletes of its own handle"],
    capabilities: { watch: true },
  },
  {
    is: "watch does not stop",
    plant: (good) => ({
      async watch(listener) {
        await good.watch!(listener);
        return async () => {};
      },
    }),
    caughtBy: ["watch: has many listeners, and stops for the one that stopped"],
  },
  {
    is: "a promised method is missing",
    plant: () => ({ watch: undefined as never }),
    caughtBy: ["shape: has watch(), as promised"],
    capabilities: { watch: true },
  },
];

/** A store with the fault in each of its handles. `data` is all that was ever written, as it was written last. */
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

function utf8(value: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(value).toString("utf8"));
}

/** A server that can be stopped, and a client of it that does as `down` says while it is. */
function server(down: (store: SessionStore) => Partial<SessionStore>) {
  const data = memory();
  const subscriptions = new Set<((listening: boolean) => void) | undefined>();
  let up = true;
  const makeStore: MakeStore = () => {
    const away = { ...data, ...rejecting, ...down(data) };
    const choose = (method: keyof SessionStore) =>
      ((...args: never[]) => ((up ? data : away)[method] as (...args: never[]) => unknown)(...args)) as never;
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
  // biome-ignore lint/correctness/useYield: it ends before the first
  async *list() {
    throw new Error("connection refused");
  },
};

const BOTH = [
  "outage: every method fails while the server is down, and works again after",
  "outage: calls that it cuts off fail",
];
const outageFaults: { is: string; down(store: SessionStore): Partial<SessionStore>; caughtBy: string[] }[] = [
  { is: "read gives undefined", down: () => ({ read: async () => undefined }), caughtBy: BOTH },
  { is: "touch gives false", down: () => ({ touch: async () => false }), caughtBy: BOTH.slice(0, 1) },
  { is: "delete gives false", down: () => ({ delete: async () => false }), caughtBy: BOTH.slice(0, 1) },
  { is: "update says gone", down: () => ({ update: async () => "gone" as const }), caughtBy: BOTH.slice(0, 1) },
  { is: "create seems to work", down: () => ({ create: async () => 1 }), caughtBy: BOTH.slice(0, 1) },
  { is: "list is empty", down: () => ({ async *list() {} }), caughtBy: BOTH.slice(0, 1) },
  { is: "claimExpired claims nothing", down: () => ({ claimExpired: async () => [] }), caughtBy: BOTH.slice(0, 1) },
  { is: "read is never answered", down: () => ({ read: () => new Promise(() => {}) }), caughtBy: BOTH.slice(0, 1) },
];

// Side by side: they mostly wait.
describe("conformance", { concurrency: true }, () => {
  describe("the suite passes a correct store", { concurrency: true }, () => {
    const promised = { list: true, claimExpired: true, watch: true };
    // Side by side only because each case has a store of its own: sweepers would take each other's sessions.
    for (const { name } of conformance(farm(), promised)) test(name, () => run(farm(), name, promised));

    for (const name of [...BOTH, "outage: watch goes on after it"]) {
      const { makeStore, outage } = server(() => ({}));
      test(name, () => run(makeStore, name, { outage }));
    }
  });

  describe("the suite catches a store of which", { concurrency: true }, () => {
    for (const fault of faults) {
      for (const name of fault.caughtBy) {
        test(`${fault.is}, by "${name}"`, () => assert.rejects(run(faulty(fault), name, fault.capabilities)));
      }
    }
  });

  describe("the suite catches a store of which, in an outage,", { concurrency: true }, () => {
    for (const { is, down, caughtBy } of outageFaults) {
      for (const name of caughtBy) {
        const { makeStore, outage } = server(down);
        test(`${is}, by "${name}"`, () =>
          assert.rejects(run(makeStore, name, { outage }), /outage|while the server was down|went down/));
      }
    }

    for (const lost of [true, false]) {
      test(`watch does not say ${lost ? "that it lost something" : "that it listens again"}`, async () => {
        const { makeStore, outage } = server(() => ({}));
        const makeSilent = () => {
          const store = makeStore();
          const watch: SessionStore["watch"] = (listener, onListening) =>
            store.watch!(listener, (listening) => listening === lost && onListening?.(listening));
          return { ...store, watch };
        };
        await assert.rejects(run(makeSilent, "outage: watch goes on after it", { outage }), /onListening/);
      });
    }

    test("the handle does not come back", async () => {
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
      await assert.rejects(run(makeBroken, BOTH[0]!, { outage: { ...outage, stop } }), /same handle must work again/);
    });
  });

  describe("the suite catches, with several processes, a store", { concurrency: 2 }, () => {
    const alone = { processes: new URL("fixtures/conformance/memory.ts", import.meta.url) };
    const endless = { processes: new URL("fixtures/conformance/endless.ts", import.meta.url) };

    test("that each process has for itself, by the increments", () =>
      assert.rejects(run(farm(), "processes: no increment is lost", alone), /live|alive/));
    test("that each process has for itself, by the creates", () =>
      assert.rejects(run(farm(), "processes: exactly one create of a key wins", alone), /Exactly one/));
    test("that loses the writes of a killed process", () =>
      assert.rejects(
        run(farm(), "processes: killing a writer loses nothing that was written and holds nobody up", alone),
      ));
    test("whose close leaves something open", () =>
      assert.rejects(run(farm(), "processes: end by themselves once the store is closed", endless), /close must free/));
    test("whose module can't be loaded", () =>
      assert.rejects(
        run(farm(), "processes: no increment is lost", { processes: "file:///no/such/module.js" }),
        /no\/such\/module/,
      ));
  });

  test("the store in docs/writing-a-store.md passes", async () => {
    const page = readFileSync(new URL("../docs/writing-a-store.md", import.meta.url), "utf8");
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

    test("has no name twice, and no case that takes a callback", () => {
      const outage = { stop: async () => {}, start: async () => {} };
      const all = conformance(farm(), { processes: "x", outage, list: true, claimExpired: true, watch: true });
      assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
      assert.ok(all.every(({ run }) => run.length === 0));
    });

    test("leaves out what the store does not promise", () => {
      assert.ok(!names({ list: false }).some((name) => /^list|list leaves/.test(name)));
      assert.ok(!names({ claimExpired: false }).some((name) => name.startsWith("claimExpired")));
      assert.ok(!names({ watch: false }).some((name) => name.startsWith("watch")));
      assert.ok(!names({ shared: false }).some((name) => name.startsWith("handles")));
      assert.ok(!names({}).some((name) => /^(processes|outage)/.test(name)));
    });

    test("skips what the store lacks, if nothing was said about it", async () => {
      const { list: _, ...rest } = memory();
      let skipped = 0;
      await run(() => rest, "list: can be left early", { shared: false }, { skip: () => skipped++ });
      await run(() => rest, "list: can be left early", { shared: false });
      assert.equal(skipped, 1);
    });

    test("closes every handle that it opened, also of a case that fails", async () => {
      let open = 0;
      const makeStore = () => {
        open++;
        return { ...memory(), close: async () => void open-- };
      };
      await assert.rejects(run(makeStore, "handles: each sees at once what the other did"));
      assert.equal(open, 0);
    });
  });
});
