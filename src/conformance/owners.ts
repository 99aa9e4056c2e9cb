// Conformance: list, and owners.

import { begin, bytes, type Case, HOUR, inAnHour, keysOf, listed, newKey, same, session, that, times } from "./kit.ts";

/** `list` gives all sessions, or those of one owner. */
export const owners: Case[] = [
  {
    name: "list: gives the sessions of one owner only",
    needs: ["list"],
    async run(kit) {
      const store = await kit.open();
      const [ann, bob] = [newKey(), newKey()];
      const expiresAt = inAnHour();
      const ofAnn = await Promise.all(times(3, () => begin(store, { owner: ann, expiresAt })));
      const ofBob = await begin(store, { owner: bob });
      const ownerless = await begin(store);

      same(
        await keysOf(store, ann),
        ofAnn.map(({ key }) => key).sort(),
        "list({ owner }) must give the owner's sessions, each once.",
      );
      same(await keysOf(store, newKey()), [], "list({ owner }) must give nothing for an owner without sessions.");
      for (const entry of await listed(store, ann)) {
        same([entry.owner, entry.expiresAt], [ann, expiresAt], "list must give each session's owner and expiry.");
      }
      const all = await listed(store);
      for (const { key } of [...ofAnn, ofBob, ownerless]) {
        same(
          all.filter((entry) => entry.key === key).length,
          1,
          "list({}) must give every live session, and each once.",
        );
      }
      const entry = all.find(({ key }) => key === ownerless.key)!;
      same(entry.owner, undefined, "list must give no owner for a session without one.");
    },
  },
  {
    name: "list: follows the owner that an update sets or removes",
    needs: ["list"],
    async run(kit) {
      const store = await kit.open();
      const [ann, bob] = [newKey(), newKey()];
      const { key, version } = await begin(store);
      const first = await store.update(key, session({ owner: ann }), version);
      same(await keysOf(store, ann), [key], "An update that sets an owner must put the session on the owner's list.");
      const second = await store.update(key, session({ owner: bob }), first);
      same(
        await keysOf(store, ann),
        [],
        "An update that changes the owner must remove the session from the old owner's list.",
      );
      same(
        await keysOf(store, bob),
        [key],
        "An update that changes the owner must put the session on the new owner's list.",
      );
      const third = await store.update(key, session({ owner: bob, value: bytes("more") }), second);
      same(await keysOf(store, bob), [key], "An update that keeps the owner must keep the session on the list.");
      same(
        await store.update(key, session({ owner: ann }), second),
        "conflict",
        "update with an old version must conflict.",
      );
      same(await store.create(key, session({ owner: ann })), "exists", "create of a live key must answer exists.");
      same(
        [await keysOf(store, ann), await keysOf(store, bob)],
        [[], [key]],
        "A refused write must not change the lists.",
      );
      await store.update(key, session(), third);
      same(await keysOf(store, bob), [], "An update without an owner must remove the session from the list.");
      that(
        (await listed(store)).some((entry) => entry.key === key),
        "list({}) must keep a session that lost its owner.",
      );
    },
  },
  {
    name: "list: follows touch and delete",
    needs: ["list"],
    async run(kit) {
      const store = await kit.open();
      const owner = newKey();
      const touched = await begin(store, { owner });
      const deleted = await begin(store, { owner });
      const expiresAt = Date.now() + 2 * HOUR;
      await store.touch(touched.key, expiresAt);
      await store.delete(deleted.key);
      const entries = (await listed(store, owner)).map(({ key, expiresAt }) => ({ key, expiresAt }));
      same(
        entries,
        [{ key: touched.key, expiresAt }],
        "list must leave out a deleted session, and give the expiry that touch set.",
      );
      that(!(await listed(store)).some(({ key }) => key === deleted.key), "list({}) must leave out a deleted session.");
      await begin(store, {}, deleted.key);
      same(
        await keysOf(store, owner),
        [touched.key],
        "A new session without an owner must not be on the list of the key's former owner.",
      );
    },
  },
  {
    name: "list: owners are opaque strings",
    needs: ["list"],
    async run(kit) {
      const store = await kit.open();
      const id = newKey();
      const names = oddOwners(id);
      const begun = new Map<string, string>();
      for (const owner of names) begun.set(owner, (await begin(store, { owner })).key);
      for (const owner of names) {
        const entries = await listed(store, owner);
        const rule = `An owner is an opaque string, compared byte by byte; here ${JSON.stringify(owner)}. Pass it as a parameter, never as part of a statement, pattern or key without escaping, and use a binary collation.`;
        same(
          entries.map(({ key }) => key),
          [begun.get(owner)],
          rule,
        );
        same(entries[0]!.owner, owner, rule);
        same((await store.read(begun.get(owner)!))?.owner, owner, rule);
      }
    },
  },
  {
    name: "list: a session can be deleted while the list runs",
    needs: ["list"],
    async run(kit) {
      const store = await kit.open();
      const owner = newKey();
      await Promise.all(times(250, () => begin(store, { owner })));
      let deleted = 0;
      for await (const { key } of store.list!({ owner })) if (await store.delete(key)) deleted++;
      same(deleted, 250, "Deleting each session while list runs must reach all of them, since revokeAll does this.");
      same(await keysOf(store, owner), [], "No session may be left after that.");
    },
  },
  {
    name: "list: can be stopped early",
    needs: ["list"],
    async run(kit) {
      const store = await kit.open();
      const owner = newKey();
      await Promise.all(times(5, () => begin(store, { owner })));
      const rule =
        "Stopping a list early must free its resources, such as a cursor or a connection, so that later calls work.";
      try {
        for (let round = 0; round < 30; round++) {
          for await (const _ of store.list!({ owner })) break;
        }
        same((await keysOf(store, owner)).length, 5, rule);
      } catch (cause) {
        throw new Error(rule, { cause });
      }
    },
  },
];

/** Owners that a statement, a pattern, a key or a collation may change. Each has the id in it. */
export function oddOwners(id: string): string[] {
  const long = "o".repeat(220) + id;
  return [
    `${id}`,
    `${id} `,
    ` ${id}`,
    `x${id}`,
    `X${id}`,
    `${id}'; DROP TABLE sessions; --`,
    `${id}" OR ""="`,
    `${id}\\`,
    `${id}%`,
    `${id}_`,
    `${id}*`,
    `${id}?`,
    `${id}:a`,
    `${id}/a#b|c`,
    `${id}{a}`,
    `${id}\${a}`,
    `${id}\r\n`,
    `${id}\t`,
    `${id}e\u0301`,
    `${id}\u00e9`,
    `${id}e`,
    `${id}ß`,
    `${id}ss`,
    `${id}дядя`,
    `${id}😀`,
    `${long}a`,
    `${long}b`,
  ];
}
