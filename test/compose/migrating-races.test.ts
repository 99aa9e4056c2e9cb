import assert from "node:assert/strict";
import { test } from "node:test";
import { type MigratingStore, migrating } from "../../src/compose/index.ts";
import { isMarked } from "../../src/compose/migrating/record.ts";
import type { SessionStore } from "../../src/store.ts";
import { memory } from "../../src/stores/memory.ts";
import { type Actor, interleave, randomFrom } from "./interleaved.ts";

// More with RUNS=20000 in the environment.
const RUNS = Number(process.env.RUNS ?? 400);
const KEY = "the one session";
const expiresAt = Date.now() + 3_600_000;

/** How a server of the farm has the two stores. */
type Kind = "plain from" | "prepare" | "move" | "move back" | "plain to";

function serverOf(kind: Kind, from: SessionStore, to: SessionStore): SessionStore {
  if (kind === "plain from") return from;
  if (kind === "plain to") return to;
  if (kind === "move back") return migrating({ from: to, to: from });
  return migrating({ from, to, phase: kind });
}

const MIXES: Record<string, { kinds: Kind[]; startsIn: "from" | "to" }> = {
  "plain from, and preparing": { kinds: ["plain from", "prepare", "prepare"], startsIn: "from" },
  "preparing, and moving": { kinds: ["prepare", "prepare", "move", "move"], startsIn: "from" },
  "all moving": { kinds: ["move", "move", "move"], startsIn: "from" },
  "moving, and plain to": { kinds: ["move", "plain to", "move"], startsIn: "to" },
  "the way back: preparing, and moving back": { kinds: ["prepare", "move back", "move back"], startsIn: "to" },
};

for (const [mix, { kinds, startsIn }] of Object.entries(MIXES)) {
  for (const withLogout of [false, true]) {
    for (const killOneIn of [0, 25]) {
      const name = `${mix}${withLogout ? ", a logout" : ""}${killOneIn ? ", servers killed" : ""}`;
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
  let loggedOut = false;
  let logouts = 0;

  /** What a request does: read, change, compare-and-swap; again if somebody else was first. */
  async function visit(store: SessionStore, actor: Actor): Promise<void> {
    for (let visits = 0; visits < 2; visits++) {
      for (;;) {
        const wasOut = loggedOut;
        const found = await store.read(KEY, expiresAt);
        if (found === undefined) {
          assert.ok(withLogout, "a live session was not found");
          return;
        }
        assert.ok(!wasOut, "a session is read after its logout");
        assert.equal(found.owner, "ann");
        begun++;
        const answer = await store.update(
          KEY,
          { ...found, value: number(Number(text(found.value)) + 1) },
          found.version,
        );
        if (actor.dead) return;
        if (answer === "conflict" || answer === "gone") begun--;
        if (answer === "gone") {
          assert.ok(withLogout, "a live session was gone for an update");
          return;
        }
        if (answer !== "conflict") {
          assert.ok(!wasOut, "a session is changed after its logout");
          done++;
          break;
        }
      }
    }
  }

  async function logOut(store: SessionStore): Promise<void> {
    if (await store.delete(KEY)) logouts++;
    loggedOut = true;
  }

  const actors = kinds.map((kind) => (actor: Actor) => visit(server(kind, actor), actor));
  function server(kind: Kind, actor: Actor): SessionStore {
    return serverOf(kind, actor.through(from), actor.through(to));
  }
  const mover = kinds.find((kind) => kind.startsWith("move"));
  if (mover !== undefined) {
    actors.push(async (actor) => void (await (server(mover, actor) as MigratingStore).copy({ perSecond: Infinity })));
  }
  if (withLogout) {
    for (let i = 0; i < 2; i++) {
      const kind = kinds[random(kinds.length)]!;
      actors.push((actor) => logOut(server(kind, actor)));
    }
  }
  await interleave(random, killOneIn, actors, async () => {
    const [here, there] = await Promise.all([from.read(KEY), to.read(KEY)]);
    const alive = [here, there].filter((found) => found !== undefined && !isMarked(found.value));
    assert.ok(alive.length < 2, "the session lives in both stores");
  });

  for (const kind of new Set(kinds)) {
    // Plain stores meet only what is whole: a killed server's work is finished by those that understand it.
    if (kind.startsWith("plain") && killOneIn > 0) continue;
    const found = await serverOf(kind, from, to).read(KEY);
    if (loggedOut) assert.equal(found, undefined, `${kind}: the session is there after its logout`);
    else if (!withLogout) {
      assert.ok(found, `${kind}: the session is lost`);
      const count = Number(text(found.value));
      assert.ok(count >= done && count <= begun, `${kind}: ${count} of ${done} to ${begun} changes are there`);
    }
  }
  if (withLogout && killOneIn === 0) assert.equal(logouts, 1, "one of two logouts has ended the session");
  if (mover !== undefined && killOneIn === 0) {
    const left = mover === "move" ? from : to;
    assert.equal(await left.read(KEY), undefined, "nothing is left in the old store");
  }
}

function number(n: number): Uint8Array {
  return Buffer.from(String(n));
}

function text(value: Uint8Array): string {
  return Buffer.from(value).toString();
}
