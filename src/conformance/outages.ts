// Conformance: outages of the store's server.

import { inspect } from "node:util";
import type { SessionChange, SessionStore } from "../store.ts";
import {
  begin,
  bytes,
  type Case,
  eventually,
  handles,
  inAnHour,
  type Kit,
  newKey,
  present,
  session,
  sleep,
  that,
} from "./kit.ts";

const NEVER = 'A server that is down must be an error, and never "not there": otherwise an outage logs out every user.';

/** A server that is down. A restart may lose its data, so nothing is asserted about the data. */
export const outages: Case[] = [
  {
    name: "outage: every method fails while the server is down, and works again afterwards",
    needs: ["outage"],
    async run(kit) {
      const [used, unused] = await handles(kit, 2);
      const { key, version } = await begin(used!, { owner: "ann" });
      await whileDown(kit, async () => {
        const fresh = kit.open();
        const late = () => fresh.then((store) => store.read(key));
        await Promise.all([
          fails(kit, "read", used!.read(key)),
          fails(kit, "read with touchUntil", used!.read(key, inAnHour())),
          fails(kit, "create", used!.create(newKey(), session())),
          fails(kit, "update", used!.update(key, session(), version)),
          fails(kit, "delete", used!.delete(key)),
          fails(kit, "delete with ifVersion", used!.delete(key, version)),
          fails(kit, "touch", used!.touch(key, inAnHour())),
          used!.list && fails(kit, "list", drain(used!, "ann")),
          used!.list && fails(kit, "list of all", drain(used!)),
          used!.claimExpired && fails(kit, "claimExpired", used!.claimExpired(Date.now(), 10)),
          fails(kit, "read by a handle that was never used", unused!.read(key)),
          fails(kit, "read by a handle that was made during the outage", late()),
        ]);
        // Once more, since the client now knows that it has no connection.
        await fails(kit, "a second read", used!.read(key));
      });
      await works(kit, used!);
      await works(kit, unused!);
    },
  },
  {
    name: "outage: pending calls fail",
    needs: ["outage"],
    async run(kit) {
      const store = await kit.open();
      const { key } = await begin(store);
      let up = true;
      let wrong: string | undefined;
      const readers = Array.from({ length: 8 }, async () => {
        for (; up && wrong === undefined; await sleep(1)) {
          const found = await store.read(key);
          if (found === undefined) wrong = `read gave undefined for a live session when the server went down. ${NEVER}`;
          if (!(await store.touch(key, inAnHour()))) wrong = `touch gave false when the server went down. ${NEVER}`;
        }
      });
      const all = Promise.allSettled(readers);
      await sleep(50);
      await whileDown(kit, async () => {
        await Promise.race([all, sleep(kit.outage.within)]);
        up = false;
      });
      await Promise.race([all, sleep(kit.outage.within)]);
      that(wrong === undefined, String(wrong));
      await works(kit, store);
    },
  },
  {
    name: "outage: watch works again afterwards",
    needs: ["outage", "watch"],
    async run(kit) {
      const [watcher, writer] = await handles(kit, 2);
      const changes: SessionChange[] = [];
      const states: boolean[] = [];
      const stop = await watcher!.watch!(
        (change) => changes.push(change),
        (listening) => states.push(listening),
      );
      await whileDown(kit, () => sleep(200));
      await works(kit, writer!);
      // The watcher may connect later than the writer, so the writer repeats its change until one is reported.
      const keys = new Set<string>();
      for (const end = Date.now() + kit.outage.within; !changes.some(({ key }) => keys.has(key)); await sleep(100)) {
        that(Date.now() < end, "watch must listen again by itself when the server is back.");
        const { key, version } = await begin(writer!);
        await writer!.update(key, session({ value: bytes("changed") }), version);
        keys.add(key);
      }
      await eventually(
        "watch must call onListening(false) when the subscription is lost, since changes may then be missed, and onListening(true) when it is back.",
        () => (states.includes(false) && states.at(-1) === true ? true : undefined),
      );
      await stop();
    },
  },
];

async function whileDown(kit: Kit, run: () => Promise<unknown>): Promise<void> {
  await kit.outage.stop();
  try {
    await run();
  } finally {
    await kit.outage.start();
  }
}

async function fails(kit: Kit, call: string, answer: Promise<unknown>): Promise<void> {
  const late = Symbol();
  let outcome: unknown;
  try {
    outcome = await Promise.race([answer, sleep(kit.outage.within).then(() => late)]);
  } catch {
    return;
  }
  that(
    outcome !== late,
    `${call} was not answered within ${kit.outage.within} ms while the server was down. Set the client's time limits for connecting and for a call, and turn off its queue for calls without a connection.`,
  );
  that(false, `${call} answered ${inspect(outcome)} while the server was down. It must reject. ${NEVER}`);
}

async function works(kit: Kit, store: SessionStore): Promise<void> {
  for (const end = Date.now() + kit.outage.within; ; await sleep(50)) {
    try {
      const { key } = await begin(store);
      await present(store, key, "A session that was created after an outage must be there.");
      return;
    } catch (cause) {
      if (Date.now() < end) continue;
      throw new Error("After an outage, the same handle must work again: let the client reconnect.", {
        cause,
      });
    }
  }
}

async function drain(store: SessionStore, owner?: string): Promise<number> {
  let count = 0;
  for await (const _ of store.list!(owner === undefined ? {} : { owner })) count++;
  return count;
}
