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

/** `claimExpired`: each expired session to exactly one sweeper. Other cases' expired sessions are about, too. */
export const claims: Case[] = [
  {
    name: "claimExpired: gives the expired with key, value, expiry and owner, and leaves the living",
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
      that(!keys.includes(alive.key), "claimExpired must leave a session that is alive.");
      that(!keys.includes(deleted.key), "claimExpired must not give a session that was deleted.");
      await present(store, alive.key, "claimExpired must leave a session that is alive.");
      if (store.list) same(await keysOf(store, owner), [alive.key], "A claimed session must be off its owner's list.");
      const again = (await sweep(store)).map(({ key }) => key);
      that(
        !again.includes(owned.key) && !again.includes(ownerless.key),
        "claimExpired must remove what it gives, so that nobody gets it again.",
      );
      await begin(store, {}, owned.key);
    },
  },
  {
    name: "claimExpired: gives no more than the limit",
    needs: ["claimExpired"],
    async run(kit) {
      const store = await kit.open();
      await sweep(store); // what other cases left behind would fill the small portions
      const expiresAt = Date.now() + SHORT;
      const mine = new Set((await Promise.all(times(7, () => begin(store, { expiresAt })))).map(({ key }) => key));
      await past(expiresAt);
      await eventually("claimExpired must give every expired session in the end, also in small portions.", async () => {
        const claimed = await store.claimExpired!(Date.now(), 3);
        that(
          claimed.length <= 3,
          `claimExpired(now, 3) gave ${claimed.length} sessions: no more than the limit may be removed.`,
        );
        for (const { key } of claimed) mine.delete(key);
        return mine.size === 0 ? true : undefined;
      });
    },
  },
  {
    name: "claimExpired: leaves what expired after the given instant",
    needs: ["claimExpired"],
    async run(kit) {
      const store = await kit.open();
      const before = Date.now();
      const expiresAt = before + SHORT;
      const { key } = await begin(store, { expiresAt });
      await past(expiresAt);
      const claimed = await store.claimExpired!(before, 100_000);
      that(
        !claimed.some((session) => session.key === key),
        "claimExpired(now) must leave what expired after that instant: the caller's clock counts.",
      );
      await sweepUntil(store, [key]);
    },
  },
  {
    name: "claimExpired: each session goes to one of many sweepers",
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
        "Each expired session must go to exactly one caller of claimExpired: delete and take in one atomic step.",
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
        const rule = "claimExpired must leave a session whose expiry was moved on:";
        that(!claimed.includes(touched.key), `${rule} touch.`);
        that(!claimed.includes(updated.key), `${rule} update.`);
        await present(store, touched.key, `${rule} touch.`);
        await present(store, updated.key, `${rule} update.`);
        return true;
      });
    },
  },
  {
    name: "claimExpired: leaves a session that began anew under an expired key",
    needs: ["claimExpired"],
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      const { key } = await begin(store, { expiresAt });
      const marker = await begin(store, { expiresAt });
      await past(expiresAt);
      await begin(store, { value: bytes("second life") }, key);
      const claimed = await sweepUntil(store, [marker.key]);
      that(!claimed.some((session) => session.key === key), "claimExpired must not give a session that lives again.");
      await present(store, key, "claimExpired must leave a session that lives again.");
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
      const rule = "A session that was claimed is gone";
      same(await other!.update(key, session(), version), "gone", `${rule} for update.`);
      same(await other!.touch(key, Date.now() + HOUR), false, `${rule} for touch.`);
      same(await other!.delete(key), false, `${rule} for delete.`);
      await absent(other!, key, `${rule} for read.`);
    },
  },
];

/** Claims all that is expired now. */
async function sweep(store: SessionStore): Promise<ClaimedSession[]> {
  const all: ClaimedSession[] = [];
  for (;;) {
    const claimed = await store.claimExpired!(Date.now(), 500);
    all.push(...claimed);
    if (claimed.length === 0) return all;
  }
}

/** Claims until all of these were given: a store may be a second or two late, but must not forget. */
async function sweepUntil(store: SessionStore, keys: string[]): Promise<ClaimedSession[]> {
  const all: ClaimedSession[] = [];
  return eventually("claimExpired must give every expired session in the end.", async () => {
    all.push(...(await sweep(store)));
    const given = new Set(all.map(({ key }) => key));
    if (keys.every((key) => given.has(key))) return all;
    await sleep(100);
  });
}
