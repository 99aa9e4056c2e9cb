// Conformance: watch.

import type { SessionChange, SessionStore, Version } from "../store.ts";
import { begin, bytes, type Case, eventually, handles, session, sleep, that } from "./kit.ts";

/** `watch` reports the changes of every handle. */
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
    name: "watch: can stop one of several listeners",
    needs: ["watch"],
    async run(kit) {
      const store = await kit.open();
      const toStopped: SessionChange[] = [];
      const toOther: SessionChange[] = [];
      const stop = await store.watch!((change) => toStopped.push(change));
      const stopOther = await store.watch!((change) => toOther.push(change));
      await stop();
      const before = toStopped.length;
      const { key, version } = await begin(store);
      await store.update(key, session(), version);
      await eventually("A listener must still be called after another one has stopped.", () =>
        toOther.find((change) => change.key === key),
      );
      await sleep(200);
      that(toStopped.length === before, "A listener must not be called once its stop() has resolved.");
      await stopOther();
    },
  },
  {
    name: "watch: a listener that throws disturbs neither the writer nor other listeners",
    needs: ["watch"],
    async run(kit) {
      const store = await kit.open();
      const stopThrowing = await store.watch!(() => {
        throw new Error("a listener that throws, as the suite wants it");
      });
      await reports(store, store);
      await stopThrowing();
    },
  },
];

async function reports(watcher: SessionStore, writer: SessionStore): Promise<void> {
  const changes: SessionChange[] = [];
  const stop = await watcher.watch!((change) => changes.push(change));
  const reported = (what: string, key: string, type: string, version?: Version) =>
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
  await reported("an update", key, "write", next);
  await writer.delete(key);
  await reported("a delete", key, "delete");
  await stop();
}
