// Conformance: one caller and one session.

import {
  absent,
  begin,
  bytes,
  type Case,
  HOUR,
  inAnHour,
  newKey,
  present,
  same,
  sameBytes,
  session,
  that,
  unchanged,
} from "./kit.ts";

const METHODS = ["read", "create", "update", "delete", "touch", "close"] as const;

/** What each method does for one caller. */
export const basics: Case[] = [
  {
    name: "shape: every method of the contract is there",
    async run(kit) {
      const store = await kit.open();
      for (const method of METHODS)
        same(typeof store[method], "function", `The store must have the method ${method}().`);
      for (const method of ["list", "claimExpired", "watch", "time"] as const) {
        that(
          store[method] === undefined || typeof store[method] === "function",
          `${method} must be a method, or undefined if the store can't do it.`,
        );
      }
      that(
        store.inProcess === undefined || store.inProcess === true,
        "inProcess must be true, or undefined if the bytes leave the process.",
      );
    },
  },
  {
    name: "create: read gives back the value, expiry, owner and version",
    async run(kit) {
      const store = await kit.open();
      const owned = session({ value: bytes("red coat"), owner: "ann" });
      const rule = "read must give what create stored, to the millisecond, and the version that create returned.";
      const { key, version } = await begin(store, owned);
      that(
        (typeof version === "number" || typeof version === "string") &&
          !["conflict", "gone", ""].includes(String(version)),
        `create must return the version: a number, or a string other than "exists", "conflict" and "gone"; not ${JSON.stringify(version)}.`,
      );
      await unchanged(store, key, { ...owned, version }, rule);

      const ownerless = session();
      const second = await begin(store, ownerless);
      const found = await present(store, second.key, rule);
      same(found.owner, undefined, "read must give no owner for a session that was written without one.");
    },
  },
  {
    name: 'create: answers "exists" for a live session and changes nothing',
    async run(kit) {
      const store = await kit.open();
      const first = session({ value: bytes("first"), owner: "ann" });
      const { key, version } = await begin(store, first);
      const answer = await store.create(
        key,
        session({ value: bytes("second"), owner: "bob", expiresAt: Date.now() + 2 * HOUR }),
      );
      same(
        answer,
        "exists",
        'create of a key with a live session must answer "exists". Insert only if there is no live session.',
      );
      await unchanged(store, key, { ...first, version }, 'A create that answers "exists" must change nothing.');
    },
  },
  {
    name: "unknown key: not there for any method",
    async run(kit) {
      const store = await kit.open();
      const { version } = await begin(store);
      const rule = "A key that was never created";
      same(await store.read(newKey()), undefined, `${rule} must read as undefined.`);
      same(await store.read(newKey(), inAnHour()), undefined, `${rule} must read as undefined, also with touchUntil.`);
      same(await store.update(newKey(), session(), version), "gone", `${rule} must update as "gone".`);
      same(await store.delete(newKey()), false, `${rule} must delete as false.`);
      same(await store.delete(newKey(), version), false, `${rule} must delete as false, also with ifVersion.`);
      same(await store.touch(newKey(), inAnHour()), false, `${rule} must touch as false.`);
      const key = newKey();
      await store.update(key, session(), version);
      await store.touch(key, inAnHour());
      await absent(store, key, "An update or touch of a key that was never created must create nothing.");
    },
  },
  {
    name: "update: replaces value, expiry and owner",
    async run(kit) {
      const store = await kit.open();
      const { key, version } = await begin(store, { value: bytes("before"), owner: "ann" });
      const next = session({ value: bytes("after, and longer"), expiresAt: Date.now() + 2 * HOUR, owner: "bob" });
      const second = await store.update(key, next, version);
      that(
        second !== "conflict" && second !== "gone",
        `update with the current version must write, not answer "${second}".`,
      );
      await unchanged(
        store,
        key,
        { ...next, version: second },
        "update must replace value, expiry and owner, and return the version that read reports.",
      );

      const ownerless = session({ value: bytes("") });
      const third = await store.update(key, ownerless, second);
      that(
        third !== "conflict" && third !== "gone",
        `update with the version that update returned must write, not answer "${third}".`,
      );
      await unchanged(
        store,
        key,
        { ...ownerless, version: third },
        "update without an owner must remove the earlier one.",
      );
    },
  },
  {
    name: "update: each one moves the version",
    async run(kit) {
      const store = await kit.open();
      const { key, version } = await begin(store);
      const seen = [version];
      for (let round = 1; round <= 5; round++) {
        const next = await store.update(key, session({ value: bytes(`round ${round}`) }), seen.at(-1)!);
        that(
          next !== "conflict" && next !== "gone",
          `update with the current version must write, not answer "${next}".`,
        );
        that(
          !seen.includes(next),
          `update ${round} returned version ${JSON.stringify(next)}, which the session has had before. Equal versions must mean equal bytes, or a stale writer replaces a newer state.`,
        );
        same((await present(store, key, "")).version, next, "read must report the version that update returned.");
        seen.push(next);
      }
      const rule = 'update with any earlier version must answer "conflict".';
      for (const old of seen.slice(0, -1)) same(await store.update(key, session(), old), "conflict", rule);
    },
  },
  {
    name: 'update: "conflict" changes nothing',
    async run(kit) {
      const store = await kit.open();
      const { key, version } = await begin(store);
      const current = session({ value: bytes("current"), owner: "ann" });
      const now = await store.update(key, current, version);
      that(now !== "conflict" && now !== "gone", `update with the current version must write, not answer "${now}".`);
      const stale = session({ value: bytes("stale"), owner: "mallory", expiresAt: Date.now() + 2 * HOUR });
      same(
        await store.update(key, stale, version),
        "conflict",
        'update with a version that is no longer current must answer "conflict". Compare and swap in one atomic step of the database.',
      );
      await unchanged(
        store,
        key,
        { ...current, version: now },
        'An update that answers "conflict" must change nothing.',
      );
    },
  },
  {
    name: "delete: gives true once, and the session is gone for every method",
    async run(kit) {
      const store = await kit.open();
      const { key, version } = await begin(store, { owner: "ann" });
      same(await store.delete(key), true, "delete of a live session must give true.");
      const rule = "After a delete,";
      same(await store.read(key), undefined, `${rule} read must give undefined.`);
      same(await store.delete(key), false, `${rule} delete must give false.`);
      same(await store.touch(key, inAnHour()), false, `${rule} touch must give false.`);
      same(await store.read(key, inAnHour()), undefined, `${rule} read with touchUntil must give undefined.`);
      same(await store.update(key, session(), version), "gone", `${rule} update must answer "gone", not "conflict".`);
    },
  },
  {
    name: "delete: with ifVersion, only that version",
    async run(kit) {
      const store = await kit.open();
      const { key, version } = await begin(store);
      const current = session({ value: bytes("current") });
      const now = await store.update(key, current, version);
      that(now !== "conflict" && now !== "gone", `update with the current version must write, not answer "${now}".`);
      same(await store.delete(key, version), false, "delete with a version that is no longer current must give false.");
      await unchanged(
        store,
        key,
        { ...current, version: now },
        "delete with a version that is no longer current must remove nothing.",
      );
      same(await store.delete(key, now), true, "delete with the current version must give true.");
      await absent(store, key, "delete with the current version must remove the session.");
    },
  },
  {
    name: "delete: a later update does not bring the session back",
    async run(kit) {
      const store = await kit.open();
      const { key, version } = await begin(store);
      await store.delete(key);
      same(
        await store.update(key, session({ value: bytes("zombie") }), version),
        "gone",
        'update after delete must answer "gone".',
      );
      await absent(
        store,
        key,
        "update must never bring a deleted session back: a logout is final. Write with a condition on the version, never insert-or-replace.",
      );
    },
  },
  {
    name: "delete: a later touch does not bring the session back",
    async run(kit) {
      const store = await kit.open();
      const { key } = await begin(store);
      await store.delete(key);
      await store.touch(key, inAnHour());
      await store.read(key, inAnHour());
      await absent(store, key, "touch must never bring a deleted session back. Move the expiry of live rows only.");
    },
  },
  {
    name: "delete: the key is free again, and versions of its earlier life do not fit",
    async run(kit) {
      const store = await kit.open();
      const { key, version } = await begin(store, { value: bytes("first life"), owner: "ann" });
      await store.delete(key);
      const second = session({ value: bytes("second life") });
      const reborn = await begin(store, second, key);
      await unchanged(
        store,
        key,
        { ...second, version: reborn.version },
        "create after delete must store the new session only.",
      );
      const rule =
        "A version from before the delete must not fit the new session: equal versions mean equal bytes. Do not start counting at the same number again.";
      same(await store.update(key, session({ value: bytes("stale") }), version), "conflict", rule);
      same(await store.delete(key, version), false, rule);
      await unchanged(store, key, { ...second, version: reborn.version }, rule);
    },
  },
  {
    name: "touch: moves the expiry and leaves value, owner and version alone",
    async run(kit) {
      const store = await kit.open();
      const before = session({ value: bytes("touched"), owner: "ann" });
      const { key, version } = await begin(store, before);
      for (const expiresAt of [Date.now() + 2 * HOUR, Date.now() + HOUR / 2]) {
        same(await store.touch(key, expiresAt), true, "touch of a live session must give true.");
        await unchanged(
          store,
          key,
          { ...before, expiresAt, version },
          "touch must move the expiry to exactly the given instant, later or earlier, and leave value, owner and version alone (a request that runs meanwhile must not get a conflict).",
        );
      }
    },
  },
  {
    name: "read: with touchUntil, reports the expiry that the store has",
    async run(kit) {
      const store = await kit.open();
      const before = session({ owner: "ann" });
      const { key, version } = await begin(store, before);
      const touchUntil = Date.now() + 2 * HOUR;
      const found = await store.read(key, touchUntil);
      that(found !== undefined, "read with touchUntil must give the session.");
      that(
        found.expiresAt === touchUntil || found.expiresAt === before.expiresAt,
        `read with touchUntil must report touchUntil if it moved the expiry and else the old one, not ${found.expiresAt}.`,
      );
      sameBytes(found.value, before.value, "read with touchUntil must give the value.");
      same([found.version, found.owner], [version, "ann"], "read with touchUntil must leave version and owner alone.");
      await unchanged(
        store,
        key,
        { ...before, expiresAt: found.expiresAt, version },
        "The expiry that read with touchUntil reports must be the one in the store, since the core does not touch again.",
      );
    },
  },
  {
    name: "read: with touchUntil, never moves the expiry back",
    async run(kit) {
      const store = await kit.open();
      const before = session({ owner: "ann", expiresAt: Date.now() + 2 * HOUR });
      const { key, version } = await begin(store, before);
      const rule =
        "read with touchUntil must move the expiry only if touchUntil is later than what the store has. Otherwise a server whose clock is behind would end sessions by reading them.";
      for (const touchUntil of [Date.now() + HOUR, Date.now() - HOUR, 1]) {
        const found = await store.read(key, touchUntil);
        that(found !== undefined, `${rule} read gave undefined.`);
        same(found.expiresAt, before.expiresAt, rule);
        await unchanged(store, key, { ...before, version }, rule);
      }
    },
  },
  {
    name: "handles: each sees the other's changes immediately",
    needs: ["shared"],
    async run(kit) {
      const a = await kit.open();
      const b = await kit.open();
      const first = session({ value: bytes("by a"), owner: "ann" });
      const { key, version } = await begin(a, first);
      const rule = "Every handle must see a change immediately, since the next request may reach another server.";
      await unchanged(b, key, { ...first, version }, rule);
      same(await b.create(key, session()), "exists", rule);
      const second = session({ value: bytes("by b") });
      const next = await b.update(key, second, version);
      that(next !== "conflict" && next !== "gone", `${rule} update by the other handle answered "${next}".`);
      await unchanged(a, key, { ...second, version: next }, rule);
      same(await a.update(key, session(), version), "conflict", rule);
      same(await a.touch(key, second.expiresAt + 1000), true, rule);
      await unchanged(b, key, { ...second, expiresAt: second.expiresAt + 1000, version: next }, rule);
      same(await a.delete(key), true, rule);
      await absent(b, key, rule);
      same(await b.touch(key, inAnHour()), false, rule);
      same(await b.delete(key), false, rule);
    },
  },
  {
    name: "close: leaves other handles working",
    needs: ["shared"],
    async run(kit) {
      const other = await kit.open();
      const { key } = await begin(other);
      const closing = await kit.open();
      await present(closing, key, "A second handle must see the data.");
      await closing.close();
      await present(other, key, "close must free what its own handle opened, and nothing of another handle.");
      await begin(other);
    },
  },
  {
    name: "close: of a handle that was never used",
    async run(kit) {
      // The kit closes it: a store that connects on first use must not connect, hang or throw here.
      await kit.open();
    },
  },
];
