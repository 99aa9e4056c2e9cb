// migrating: servers in every allowed mix of phases, in random orders, with kills and logouts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type MigratingStore, migrating } from "../../../src/compose/index.ts";
import { isCopyOrMarker } from "../../../src/compose/migrating/markers.ts";
import type { SessionStore } from "../../../src/store.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { runs } from "../../support/random.ts";
import { type Actor, interleave, randomFrom } from "../interleaved.ts";

const RUNS = runs(400);
const KEY = "the one session";
const expiresAt = Date.now() + 3_600_000;

/** How a server of the farm uses the two stores. */
type Kind = "plain from" | "prepare" | "move" | "move back" | "plain to";

function serverOf(kind: Kind, from: SessionStore, to: SessionStore): SessionStore {
  if (kind === "plain from") return from;
  if (kind === "plain to") return to;
  if (kind === "move back") return migrating({ from: to, to: from });
  return migrating({ from, to, phase: kind });
}

const FARMS: Record<string, { kinds: Kind[]; startsIn: "from" | "to" }> = {
  "plain from and preparing": { kinds: ["plain from", "prepare", "prepare"], startsIn: "from" },
  "preparing and moving": { kinds: ["prepare", "prepare", "move", "move"], startsIn: "from" },
  "all moving": { kinds: ["move", "move", "move"], startsIn: "from" },
  "moving and plain to": { kinds: ["move", "plain to", "move"], startsIn: "to" },
  "preparing and moving back": { kinds: ["prepare", "move back", "move back"], startsIn: "to" },
};

for (const [farm, { kinds, startsIn }] of Object.entries(FARMS)) {
  for (const withLogout of [false, true]) {
    for (const killOneIn of [0, 25]) {
      const name = `migrating: ${farm}${withLogout ? ", a logout" : ""}${killOneIn ? ", servers killed" : ""}`;
      test(name, async () => {
        for (let seed = 1; seed <= RUNS; seed++) {
          try {
            await run(seed, kinds, startsIn, withLogout, killOneIn);
          } catch (error) {
            throw new Error(`with seed ${seed}`, { cause: error });
          }
        }
      });
    }
  }
}

async function run(
  seed: number,
  kinds: Kind[],
  startsIn: "from" | "to",
  withLogout: boolean,
  killOneIn: number,
): Promise<void> {
  const random = randomFrom(seed);
  const from = memory();
  const to = memory();
  await (startsIn === "from" ? from : to).create(KEY, { value: number(0), expiresAt, owner: "ann" });
  let begun = 0;
  let done = 0;
  let isLoggedOut = false;
  let logouts = 0;

  /** A request: reads, changes, and writes by compare-and-swap, until there is no conflict. */
  async function visit(store: SessionStore, actor: Actor): Promise<void> {
    for (let visits = 0; visits < 2; visits++) {
      for (;;) {
        const wasLoggedOut = isLoggedOut;
        const found = await store.read(KEY, expiresAt);
        if (found === undefined) {
          assert.ok(withLogout, "a live session was not found");
          return;
        }
        assert.ok(!wasLoggedOut, "a session was read after its logout");
        assert.equal(found.owner, "ann");
        begun++;
        const answer = await store.update(
          KEY,
          { ...found, value: number(Number(text(found.value)) + 1) },
          found.version,
        );
        if (actor.isDead) return;
        if (answer === "conflict" || answer === "gone") begun--;
        if (answer === "gone") {
          assert.ok(withLogout, "an update of a live session answered gone");
          return;
        }
        if (answer !== "conflict") {
          assert.ok(!wasLoggedOut, "a session was changed after its logout");
          done++;
          break;
        }
      }
    }
  }

  async function logOut(store: SessionStore): Promise<void> {
    if (await store.delete(KEY)) logouts++;
    isLoggedOut = true;
  }

  const actors = kinds.map((kind) => (actor: Actor) => visit(server(kind, actor), actor));
  function server(kind: Kind, actor: Actor): SessionStore {
    return serverOf(kind, actor.through(from), actor.through(to));
  }
  const moving = kinds.find((kind) => kind.startsWith("move"));
  if (moving !== undefined) {
    actors.push(async (actor) => void (await (server(moving, actor) as MigratingStore).copy({ perSecond: Infinity })));
  }
  if (withLogout) {
    for (let i = 0; i < 2; i++) {
      const kind = kinds[random(kinds.length)]!;
      actors.push((actor) => logOut(server(kind, actor)));
    }
  }
  await interleave(random, killOneIn, actors, async () => {
    const [here, there] = await Promise.all([from.read(KEY), to.read(KEY)]);
    const alive = [here, there].filter((found) => found !== undefined && !isCopyOrMarker(found.value));
    assert.ok(alive.length < 2, "the session is in both stores");
  });

  for (const kind of new Set(kinds)) {
    // Plain servers run only when no move is unfinished, and a killed server may have left one.
    if (kind.startsWith("plain") && killOneIn > 0) continue;
    const found = await serverOf(kind, from, to).read(KEY);
    if (isLoggedOut) assert.equal(found, undefined, `${kind}: the session is read after its logout`);
    else if (!withLogout) {
      assert.ok(found, `${kind}: the session is lost`);
      const count = Number(text(found.value));
      assert.ok(count >= done && count <= begun, `${kind}: ${count} changes are there, expected ${done} to ${begun}`);
    }
  }
  if (withLogout && killOneIn === 0) assert.equal(logouts, 1, "exactly one of two logouts ends the session");
  if (moving !== undefined && killOneIn === 0) {
    const oldStore = moving === "move" ? from : to;
    assert.equal(await oldStore.read(KEY), undefined, "a session is left in the old store");
  }
}

function number(n: number): Uint8Array {
  return Buffer.from(String(n));
}

function text(value: Uint8Array): string {
  return Buffer.from(value).toString();
}
