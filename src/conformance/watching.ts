import type { SessionChange, SessionStore, Version } from "../store.ts";
import { begin, bytes, type Case, eventually, handles, session, sleep, that } from "./kit.ts";

/** `watch`: reports what anyone changes. */
export const watching: Case[] = [
  {
    name: "watch: reports the writes and deletes of its own handle",
    needs: ["watch"],
    async run(kit) {
      const store = await kit.open();
      await reports(store, store);
    },
  },
  {
    name: "watch: reports the writes and deletes of another handle",
    needs: ["watch", "shared"],
    async run(kit) {
      const [watcher, writer] = await handles(kit, 2);
      await reports(watcher!, writer!);
    },
  },
  {
    name: "watch: has many listeners, and stops for the one that stopped",
    needs: ["watch"],
    async run(kit) {
      const store = await kit.open();
      const stopped: SessionChange[] = [];
      const going: SessionChange[] = [];
      const stop = await store.watch!((change) => stopped.push(change));
      const stopOther = await store.watch!((change) => going.push(change));
      await stop();
      const before = stopped.length;
      const { key, version } = await begin(store);
      await store.update(key, session(), version);
      await eventually("A listener must go on when another one stopped.", () =>
        going.find((change) => change.key === key),
      );
      await sleep(200);
      that(stopped.length === before, "A listener must hear nothing once its stop() has resolved.");
      await stopOther();
    },
  },
];

async function reports(watcher: SessionStore, writer: SessionStore): Promise<void> {
  const changes: SessionChange[] = [];
  const stop = await watcher.watch!((change) => changes.push(change));
  const heard = (what: string, key: string, type: string, version?: Version) =>
    eventually(
      `watch must report ${what} as { key, type: "${type}" }, with its version or none; it reported ${JSON.stringify(changes)}.`,
      () =>
        changes.find(
          (change) =>
            change.key === key && change.type === type && (change.version === version || change.version === undefined),
        ),
    );
  const { key, version } = await begin(writer);
  const next = (await writer.update(key, session({ value: bytes("changed") }), version)) as Version;
  await heard("an update", key, "write", next);
  await writer.delete(key);
  await heard("a delete", key, "delete");
  await stop();
}
