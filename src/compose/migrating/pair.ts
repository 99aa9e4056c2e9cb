import { StoreError } from "../../errors.ts";
import { readPastCopies } from "../../past-copies.ts";
import type { SessionStore, StoredSession, Version } from "../../store.ts";
import { type Copy, content, copyOf, type Held, held, noteOf } from "./record.ts";

/** A session and the store that it lives in. */
export interface Place {
  store: SessionStore;
  session: StoredSession;
}

/** Two stores, in one of which each session lives. */
export interface Pair {
  /** Where new sessions go, and are looked for first. */
  home: SessionStore;
  other: SessionStore;
  /** True for a session that has the same place in both: there is nothing to move. */
  isShared(key: string): boolean;
}

// Each is a change by somebody else between two looks.
const MAX_ROUNDS = 30;

/**
 * Finds the session, wherever it is. With `move`, it then is at home; unless it does not fit there.
 *
 * A session moves in four steps, each a compare-and-swap, so that any server may take the next one:
 * 1. A copy goes home, under a name of its own. It says which version it is a copy of, and counts for nothing yet.
 * 2. In the other store, a note with that name takes the place of that very version: from here on the session lives in the
 *    copy. If it was changed meanwhile, this fails, and it is copied again.
 * 3. The copy becomes the session.
 * 4. The note goes.
 *
 * A logout removes the session where it lives. A copy without its note, and a note without its copy, count for nothing, so
 * whoever takes a step too late brings nothing back. The name is what makes it so: a copy that comes late is not the one
 * that the note means.
 */
export async function find(
  pair: Pair,
  key: string,
  { move = false, touchUntil }: { move?: boolean; touchUntil?: number | undefined } = {},
): Promise<Place | undefined> {
  const { home, other } = pair;
  let here = await look(home, key, touchUntil);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if (here.kind === "session") return { store: home, session: here.session };
    if (pair.isShared(key)) return undefined;
    // Always after the look at home: what was a copy there, and is alive here, is a copy that nobody lives in.
    const there = await look(other, key, move ? undefined : touchUntil);
    const step = nextStep(pair, key, here, there, move, touchUntil);
    const place = await step?.();
    if (place !== undefined) return place;
    // It may have come home between the two looks.
    const again = await look(home, key, touchUntil);
    if (step === undefined && again.version === here.version) return undefined;
    here = again;
  }
  throw new StoreError(`coatcheck: session ${key} moved between two stores while it was looked for`);
}

/** What brings the session to its place, or gives it if it is there. Undefined: neither store has it. */
function nextStep(
  pair: Pair,
  key: string,
  here: Held,
  there: Held,
  move: boolean,
  touchUntil: number | undefined,
): (() => Promise<Place | undefined>) | undefined {
  const { home, other } = pair;
  if (there.kind === "session") {
    if (move) return () => bringHome(pair, key, here, there.session, touchUntil);
    return async () => ({ store: other, session: there.session });
  }
  if (here.kind === "copy" && there.kind === "note" && here.name === there.name) {
    return () => arrive(home, key, here, other, there);
  }
  if (there.kind === "copy" && here.kind === "note" && there.name === here.name) {
    return () => arrive(other, key, there, home, here);
  }
  return undefined;
}

async function look(store: SessionStore, key: string, touchUntil?: number): Promise<Held> {
  return held(await readPastCopies(store, key, touchUntil));
}

/** Undefined: somebody else changed something, so look again. */
async function bringHome(
  { home, other }: Pair,
  key: string,
  here: Held,
  session: StoredSession,
  touchUntil = 0,
): Promise<Place | undefined> {
  const expiresAt = Math.max(session.expiresAt, touchUntil);
  let copy: Pick<Copy, "name" | "version">;
  if (here.kind === "copy" && here.of === session.version) copy = here;
  else {
    const { name, ...write } = copyOf(session, expiresAt);
    try {
      const version = await (here.version === undefined
        ? home.create(key, write)
        : home.update(key, write, here.version));
      if (version === "exists" || version === "conflict" || version === "gone") return undefined;
      copy = { name, version };
    } catch {
      // Home may be down, or the session too large for it. It goes on living where it is; the next request tries again.
      return { store: other, session };
    }
  }
  const note = await other.update(key, noteOf(copy.name, expiresAt), session.version);
  if (note === "conflict" || note === "gone") return undefined;
  return arrive(home, key, { session: { ...session, expiresAt }, version: copy.version }, other, { version: note });
}

/** The copy becomes the session, and the note goes. Undefined: somebody else did it, or the session has ended. */
async function arrive(
  store: SessionStore,
  key: string,
  { session, version: copied }: Pick<Copy, "session" | "version">,
  left: SessionStore,
  note: { version: Version },
): Promise<Place | undefined> {
  const version = await store.update(key, content(session), copied);
  if (version === "conflict" || version === "gone") return undefined;
  // A note that stays counts for nothing, and ends when the session would have.
  await left.delete(key, note.version).catch(() => {});
  return { store, session: { ...content(session), version } };
}

/** Moves the session home, and takes the note that a move which was cut off has left. True if there was one to move. */
export async function bring(pair: Pair, key: string): Promise<boolean> {
  const there = await look(pair.other, key);
  if (there.kind === "nothing" || there.kind === "copy") return false;
  const place = await find(pair, key, { move: true });
  if (place?.store === pair.other)
    throw new StoreError(`coatcheck: session ${key} could not be moved to the other store`);
  if (there.kind === "note") await pair.other.delete(key, there.version);
  return place !== undefined;
}
