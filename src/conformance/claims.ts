// Conformance: claimExpired.

import type { ClaimedSession, SessionStore } from "../store.ts";
import {
  absent,
  begin,
  bytes,
  type Case,
  eventually,
  HOUR,
  handles,
  inTime,
  keysOf,
  newKey,
  past,
  present,
  SHORT,
  same,
  sameBytes,
  session,
  sleep,
  that,
  times,
} from "./kit.ts";
import { oddOwners } from "./owners.ts";

/** `claimExpired` gives each expired session to one sweeper. The data also has expired sessions of other cases. */
export const claims: Case[] = [
  {
    name: "claimExpired: gives expired sessions with key, value, expiry and owner, and leaves live ones",
    needs: ["claimExpired"],
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      const owner = newKey();
      const owned = await begin(store, { expiresAt, value: bytes("left behind"), owner });
      const ownerless = await begin(store, { expiresAt, value: bytes("") });
      const deleted = await begin(store, { expiresAt: Date.now() + 30_000 });
      await store.delete(deleted.key);
      const alive = await begin(store, { owner });
      await past(expiresAt);
      const claimed = await sweepUntil(store, [owned.key, ownerless.key]);

      const rule = "claimExpired must give each session as it was when it expired: key, value, expiresAt and owner.";
      const first = claimed.find(({ key }) => key === owned.key)!;
      sameBytes(first.value, bytes("left behind"), rule);
      same([first.expiresAt, first.owner], [expiresAt, owner], rule);
      const second = claimed.find(({ key }) => key === ownerless.key)!;
      sameBytes(second.value, bytes(""), rule);
      same([second.expiresAt, second.owner], [expiresAt, undefined], rule);

      const keys = claimed.map(({ key }) => key);
      that(!keys.includes(alive.key), "claimExpired must leave a live session.");
      that(!keys.includes(deleted.key), "claimExpired must not give a session that was deleted.");
      await present(store, alive.key, "claimExpired must leave a live session.");
      if (store.list)
        same(await keysOf(store, owner), [alive.key], "A claimed session must not be on its owner's list.");
      const again = (await sweep(store)).map(({ key }) => key);
      that(
        !again.includes(owned.key) && !again.includes(ownerless.key),
        "claimExpired must remove the sessions that it gives, so that no caller gets them again.",
      );
      await begin(store, {}, owned.key);
    },
  },
  {
    name: "claimExpired: gives no more than the limit",
    needs: ["claimExpired"],
    async run(kit) {
      const store = await kit.open();
      await sweep(store); // expired sessions of other cases would use up the limit
      const expiresAt = Date.now() + SHORT;
      const mine = new Set((await Promise.all(times(7, () => begin(store, { expiresAt })))).map(({ key }) => key));
      await past(expiresAt);
      await eventually(
        "claimExpired must give every expired session in the end, also with a small limit.",
        async () => {
          const claimed = await store.claimExpired!(Date.now(), 3);
          that(
            claimed.length <= 3,
            `claimExpired(now, 3) gave ${claimed.length} sessions: it must not remove more than the limit.`,
          );
          for (const { key } of claimed) mine.delete(key);
          return mine.size === 0 ? true : undefined;
        },
      );
    },
  },
  {
    name: "claimExpired: leaves a session that expired after the given instant",
    needs: ["claimExpired"],
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      const instant = expiresAt + LATE;
      const earlier = await begin(store, { expiresAt });
      const later = await begin(store, { expiresAt: instant + SHORT });
      await past(instant + SHORT + LATE); // a store that goes by its own clock would give both
      const claimed = await sweepUntil(store, [earlier.key], instant);
      that(
        !claimed.some(({ key }) => key === later.key),
        "claimExpired(now) must go by the instant that is passed, and leave a session that expired after it.",
      );
      await sweepUntil(store, [later.key]);
    },
  },
  {
    name: "claimExpired: gives each owner exactly as it was written",
    needs: ["claimExpired"],
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      const begun = await Promise.all(
        oddOwners(newKey()).map(async (owner) => ({ owner, ...(await begin(store, { expiresAt, owner })) })),
      );
      await past(expiresAt);
      const claimed = await sweepUntil(
        store,
        begun.map(({ key }) => key),
      );
      const ownerOf = new Map(claimed.map(({ key, owner }) => [key, owner]));
      const rule =
        "claimExpired must give the owner exactly as it was written: the record is bound to it, and can't be opened with another.";
      for (const { key, owner } of begun) same(ownerOf.get(key), owner, rule);
    },
  },
  {
    name: "claimExpired: gives each session to one of many sweepers",
    needs: ["claimExpired"],
    async run(kit) {
      const stores = await handles(kit, 4);
      const expiresAt = Date.now() + SHORT;
      const counts = new Map(
        (await Promise.all(times(60, () => begin(stores[0]!, { expiresAt })))).map(({ key }) => [key, 0]),
      );
      await past(expiresAt);
      await eventually("claimExpired must give every expired session in the end.", async () => {
        const rounds = await Promise.all(times(12, (index) => stores[index % 4]!.claimExpired!(Date.now(), 10)));
        for (const { key } of rounds.flat()) if (counts.has(key)) counts.set(key, counts.get(key)! + 1);
        return [...counts.values()].every((count) => count > 0) ? true : undefined;
      });
      const most = Math.max(...counts.values());
      same(
        most,
        1,
        "Each expired session must go to exactly one caller of claimExpired. Read and delete it in one atomic step.",
      );
    },
  },
  {
    name: "claimExpired: follows the expiry that touch and update set",
    needs: ["claimExpired"],
    async run(kit) {
      const store = await kit.open();
      await inTime(async (life) => {
        const soon = Date.now() + life;
        const touched = await begin(store, { expiresAt: soon });
        const updated = await begin(store, { expiresAt: soon });
        const shortened = await begin(store);
        const rewritten = await begin(store);
        const wasTouched = await store.touch(touched.key, soon + HOUR);
        const wasUpdated = await store.update(updated.key, session(), updated.version);
        if (Date.now() >= soon) return false;
        that(wasTouched && wasUpdated !== "gone", "touch and update of a live session must work.");
        const end = Date.now() + SHORT;
        await store.touch(shortened.key, end);
        await store.update(rewritten.key, session({ expiresAt: end }), rewritten.version);
        await past(Math.max(soon, end));
        const claimed = (await sweepUntil(store, [shortened.key, rewritten.key])).map(({ key }) => key);
        const rule = "claimExpired must leave a session whose expiry was moved to a later time, here by";
        that(!claimed.includes(touched.key), `${rule} touch.`);
        that(!claimed.includes(updated.key), `${rule} update.`);
        await present(store, touched.key, `${rule} touch.`);
        await present(store, updated.key, `${rule} update.`);
        return true;
      });
    },
  },
  {
    name: "claimExpired: leaves a new session under an expired key",
    needs: ["claimExpired"],
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      const { key } = await begin(store, { expiresAt });
      const marker = await begin(store, { expiresAt });
      await past(expiresAt);
      await begin(store, { value: bytes("second life") }, key);
      const claimed = await sweepUntil(store, [marker.key]);
      that(
        !claimed.some((session) => session.key === key),
        "claimExpired must not give a new session under the key of an expired one.",
      );
      await present(store, key, "claimExpired must leave a new session under the key of an expired one.");
    },
  },
  {
    name: "claimExpired: is final",
    needs: ["claimExpired"],
    async run(kit) {
      const [sweeper, other] = await handles(kit, 2);
      const expiresAt = Date.now() + SHORT;
      const { key, version } = await begin(other!, { expiresAt });
      await past(expiresAt);
      await sweepUntil(sweeper!, [key]);
      const rule = "A claimed session must be gone";
      same(await other!.update(key, session(), version), "gone", `${rule} for update.`);
      same(await other!.touch(key, Date.now() + HOUR), false, `${rule} for touch.`);
      same(await other!.delete(key), false, `${rule} for delete.`);
      await absent(other!, key, `${rule} for read.`);
    },
  },
];

/** A store may give an expired session this late, in milliseconds. */
const LATE = 1_500;

/** Claims every session that has expired by an instant. Default: now. */
async function sweep(store: SessionStore, instant?: number): Promise<ClaimedSession[]> {
  const all: ClaimedSession[] = [];
  for (;;) {
    const claimed = await store.claimExpired!(instant ?? Date.now(), 500);
    all.push(...claimed);
    if (claimed.length === 0) return all;
  }
}

/** Claims until all of these sessions were given. */
async function sweepUntil(store: SessionStore, keys: string[], instant?: number): Promise<ClaimedSession[]> {
  const all: ClaimedSession[] = [];
  return eventually("claimExpired must give every expired session in the end.", async () => {
    all.push(...(await sweep(store, instant)));
    const given = new Set(all.map(({ key }) => key));
    if (keys.every((key) => given.has(key))) return all;
    await sleep(100);
  });
}
