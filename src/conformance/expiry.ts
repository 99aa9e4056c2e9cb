// Conformance: sessions that expire.

import {
  absent,
  begin,
  bytes,
  type Case,
  HOUR,
  inAnHour,
  inTime,
  keysOf,
  listed,
  newKey,
  past,
  present,
  SHORT,
  same,
  session,
  sleep,
  that,
  times,
  unchanged,
} from "./kit.ts";

const ENDED = "A session whose expiresAt is in the past is not there, even if its bytes are still stored.";

/** Short-lived sessions. Nothing is asserted about one until it has certainly ended. */
export const expiry: Case[] = [
  {
    name: "expiry: an expired session is not there for any method",
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      // One session for each call, since a call may delete an expired session.
      const [read, touchingRead, update, remove, removeVersion, touch] = await Promise.all(
        times(6, () => begin(store, { expiresAt })),
      );
      await past(expiresAt);
      same(await store.read(read!.key), undefined, `${ENDED} read must give undefined.`);
      same(
        await store.read(touchingRead!.key, inAnHour()),
        undefined,
        `${ENDED} read with touchUntil must give undefined.`,
      );
      same(await store.update(update!.key, session(), update!.version), "gone", `${ENDED} update must answer "gone".`);
      same(await store.delete(remove!.key), false, `${ENDED} delete must give false.`);
      same(await store.delete(removeVersion!.key, removeVersion!.version), false, `${ENDED} delete must give false.`);
      same(await store.touch(touch!.key, inAnHour()), false, `${ENDED} touch must give false.`);
    },
  },
  {
    name: "expiry: list leaves out expired sessions",
    needs: ["list"],
    async run(kit) {
      const store = await kit.open();
      const owner = newKey();
      const expiresAt = Date.now() + SHORT;
      const ended = await begin(store, { expiresAt, owner });
      const alive = await begin(store, { owner });
      await past(expiresAt);
      same(await keysOf(store, owner), [alive.key], `${ENDED} list must leave it out.`);
      that(!(await listed(store)).some(({ key }) => key === ended.key), `${ENDED} list({}) must leave it out.`);
    },
  },
  {
    name: "expiry: an update does not bring a session back",
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      const { key, version } = await begin(store, { expiresAt });
      await past(expiresAt);
      await store.update(key, session({ value: bytes("zombie") }), version);
      await absent(
        store,
        key,
        "update must never bring an expired session back: make the expiry part of the condition.",
      );
    },
  },
  {
    name: "expiry: a touch does not bring a session back",
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      const touched = await begin(store, { expiresAt });
      const read = await begin(store, { expiresAt });
      await past(expiresAt);
      await store.touch(touched.key, inAnHour());
      await absent(
        store,
        touched.key,
        "touch must never bring an expired session back: make the expiry part of the condition.",
      );
      await store.read(read.key, inAnHour());
      await absent(store, read.key, "read with touchUntil must never bring an expired session back.");
    },
  },
  {
    name: "expiry: the key is free again",
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      const { key, version } = await begin(store, { expiresAt, value: bytes("first life"), owner: newKey() });
      await past(expiresAt);
      const second = session({ value: bytes("second life") });
      const reborn = await begin(store, second, key);
      const rule = "create over an expired session must store the new one, and leave nothing of the old one.";
      await unchanged(store, key, { ...second, version: reborn.version }, rule);
      same(
        await store.update(key, session(), version),
        "conflict",
        `${rule} A version of the old one must not match the new one.`,
      );
    },
  },
  {
    name: "expiry: a touch keeps a session beyond its first expiry",
    async run(kit) {
      const store = await kit.open();
      await inTime(async (life) => {
        const expiresAt = Date.now() + life;
        const { key, version } = await begin(store, { expiresAt });
        const touched = await store.touch(key, expiresAt + HOUR);
        if (!touched && Date.now() >= expiresAt) return false;
        same(touched, true, "touch of a live session must give true.");
        await past(expiresAt);
        const found = await present(
          store,
          key,
          "touch must move the end of the session, and not only the expiry that read reports.",
        );
        same(
          [found.expiresAt, found.version],
          [expiresAt + HOUR, version],
          "touch must move the expiry and leave the version alone.",
        );
        return true;
      });
    },
  },
  {
    name: "expiry: a read reports a later expiry only if it has moved it",
    async run(kit) {
      const store = await kit.open();
      await inTime(async (life) => {
        const expiresAt = Date.now() + life;
        const { key } = await begin(store, { expiresAt });
        const found = await store.read(key, expiresAt + HOUR);
        if (found === undefined && Date.now() >= expiresAt) return false;
        that(found !== undefined, "read with touchUntil must give a live session.");
        await past(expiresAt);
        const rule =
          "read with touchUntil may report the new expiry only if the store has moved the end of the session.";
        if (found.expiresAt === expiresAt) await absent(store, key, rule);
        else await present(store, key, rule);
        return true;
      });
    },
  },
  {
    name: "expiry: an update moves the end to a later or an earlier time",
    async run(kit) {
      const store = await kit.open();
      await inTime(async (life) => {
        const soon = Date.now() + life;
        const longer = await begin(store, { expiresAt: soon });
        const answer = await store.update(longer.key, session({ value: bytes("longer") }), longer.version);
        if (answer === "gone" && Date.now() >= soon) return false;
        that(
          answer !== "conflict" && answer !== "gone",
          `update of a live session must write, not answer "${answer}".`,
        );
        await past(soon);
        await present(
          store,
          longer.key,
          "update must move the end of the session, and not only the expiry that read reports.",
        );
        return true;
      });
      const shorter = await begin(store);
      const soon = Date.now() + SHORT;
      await store.update(shorter.key, session({ expiresAt: soon }), shorter.version);
      await past(soon);
      await absent(store, shorter.key, `${ENDED} update can make it end earlier.`);
    },
  },
  {
    name: "time: goes with the store's decisions about expiry, to a second",
    needs: ["time"],
    async run(kit) {
      const store = await kit.open();
      const now = async () => Math.floor(await store.time!());
      await inTime(async (life) => {
        const expiresAt = (await now()) + life + 2_000;
        const { key } = await begin(store, { expiresAt });
        await sleep(expiresAt - (await now()) - 1_500);
        const found = await store.read(key);
        if ((await now()) > expiresAt - 1_000) return false;
        const rule =
          "time must be the clock by which the store decides that a session has expired: the database's own, asked for in the same way.";
        that(found !== undefined, `${rule} A session was gone more than a second before its expiresAt.`);
        await sleep(expiresAt - (await now()) + 1_000);
        await absent(store, key, `${rule} A session was there a second after its expiresAt.`);
        return true;
      });
    },
  },
  {
    name: "expiry: a touch can end the session earlier",
    async run(kit) {
      const store = await kit.open();
      const soonest = await begin(store);
      const shorter = await begin(store);
      await store.touch(soonest.key, Date.now() - 1000);
      const soon = Date.now() + SHORT;
      same(await store.touch(shorter.key, soon), true, "touch of a live session must give true.");
      await past(soon);
      await absent(store, shorter.key, `${ENDED} touch can make it end earlier.`);
      await absent(store, soonest.key, `${ENDED} touch can end it immediately.`);
    },
  },
];
