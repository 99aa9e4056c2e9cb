// Finds a session in one of two stores, and moves it to its home.

import { StoreError } from "../../errors.ts";
import { readFresh, type SessionStore, type StoredSession, type Version } from "../../store.ts";
import { contentOf } from "../parts.ts";
import { type Copy, copyOf, markerOf, type StoredState, stateOf } from "./markers.ts";

/** A session, and the store that it is in. */
export interface LocatedSession {
  store: SessionStore;
  session: StoredSession;
  /** True if this call has moved it. */
  hasMoved?: boolean;
}

/** Two stores. Each session is in one of them. */
export interface StorePair {
  /** New sessions are created here, and every session is looked for here first. */
  home: SessionStore;
  other: SessionStore;
  /** True for a key that both have in the same underlying store, so that its session need not move. */
  isShared(key: string): boolean;
}

/** In each round, another caller has changed something between two reads. */
const MAX_ROUNDS = 30;

/**
 * Finds the session in either store. With `move`, it is moved home first; a session that home refuses stays where it is.
 *
 * A move has four steps. Each is a compare-and-swap, so any server may make the next one:
 * 1. A copy is written to home under its own name. It records the version that it is a copy of, and is not a session yet.
 * 2. In the other store, a marker with the copy's name replaces that version. From here on, the copy holds the session.
 *    If the session was changed meanwhile, this fails, and a new copy is made.
 * 3. The copy becomes the session.
 * 4. The marker is deleted.
 *
 * A logout deletes the session where it is. A copy without its marker is not a session, nor is a marker without its copy, so
 * a step that comes too late revives nothing. The names ensure it: a late copy is not the one that the marker names.
 */
export async function find(
  pair: StorePair,
  key: string,
  { move = false, touchUntil }: { move?: boolean; touchUntil?: number | undefined } = {},
): Promise<LocatedSession | undefined> {
  const { home, other } = pair;
  let atHome = await readState(home, key, touchUntil);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if (atHome.kind === "session") return { store: home, session: atHome.session };
    if (pair.isShared(key)) return undefined;
    // Always read after home: if home had a copy and the session is still here, then the copy does not hold it.
    const atOther = await readState(other, key, move ? undefined : touchUntil);
    const step = nextStep(pair, key, atHome, atOther, move, touchUntil);
    const located = await step?.();
    if (located !== undefined) return located;
    // It may have moved home between the two reads.
    const again = await readState(home, key, touchUntil);
    if (step === undefined && again.version === atHome.version) return undefined;
    atHome = again;
  }
  throw new StoreError(
    `coatcheck: session ${key} could not be read from the stores of migrating(): other callers changed it during each of ${MAX_ROUNDS} attempts. Try again.`,
  );
}

/** The step that moves the session, or that gives it where it is. Undefined if neither store has it. */
function nextStep(
  pair: StorePair,
  key: string,
  atHome: StoredState,
  atOther: StoredState,
  move: boolean,
  touchUntil: number | undefined,
): (() => Promise<LocatedSession | undefined>) | undefined {
  const { home, other } = pair;
  if (atOther.kind === "session") {
    if (move) return () => startMove(pair, key, atHome, atOther.session, touchUntil);
    return async () => ({ store: other, session: atOther.session });
  }
  if (atHome.kind === "copy" && atOther.kind === "marker" && atHome.name === atOther.name) {
    return () => finishMove(key, home, atHome, other, atOther);
  }
  if (atOther.kind === "copy" && atHome.kind === "marker" && atOther.name === atHome.name) {
    return () => finishMove(key, other, atOther, home, atHome);
  }
  return undefined;
}

async function readState(store: SessionStore, key: string, touchUntil?: number): Promise<StoredState> {
  return stateOf(await readFresh(store, key, touchUntil));
}

/** All four steps. Undefined if another caller changed something, and the session has to be looked for again. */
async function startMove(
  { home, other }: StorePair,
  key: string,
  atHome: StoredState,
  session: StoredSession,
  touchUntil = 0,
): Promise<LocatedSession | undefined> {
  const expiresAt = Math.max(session.expiresAt, touchUntil);
  let copy: Pick<Copy, "name" | "version">;
  if (atHome.kind === "copy" && atHome.of === session.version) copy = atHome;
  else {
    const { name, ...write } = copyOf(session, expiresAt);
    try {
      const version = await (atHome.version === undefined
        ? home.create(key, write)
        : home.update(key, write, atHome.version));
      if (version === "exists" || version === "conflict" || version === "gone") return undefined;
      copy = { name, version };
    } catch {
      // Home is down, or the session is too large for it. It stays where it is, and the next request tries again.
      return { store: other, session };
    }
  }
  const version = await other.update(key, markerOf(copy.name, expiresAt), session.version);
  if (version === "conflict" || version === "gone") return undefined;
  const moving = { session: { ...session, expiresAt }, version: copy.version };
  const located = await finishMove(key, home, moving, other, { version });
  return located && { ...located, hasMoved: true };
}

/**
 * Steps 3 and 4: the copy in `to` becomes the session, and the marker in `from` is deleted. Undefined if another caller did
 * it, or the session has ended.
 */
async function finishMove(
  key: string,
  to: SessionStore,
  copy: Pick<Copy, "session" | "version">,
  from: SessionStore,
  marker: { version: Version },
): Promise<LocatedSession | undefined> {
  const content = contentOf(copy.session);
  const version = await to.update(key, content, copy.version);
  if (version === "conflict" || version === "gone") return undefined;
  // A marker that stays does no harm, and expires with the session.
  await from.delete(key, marker.version).catch(() => {});
  return { store: to, session: { ...content, version } };
}

/**
 * Moves the session home, and deletes a marker that an interrupted move has left. True if there was a session to move.
 *
 * @throws StoreError if home refuses the session, or a store is down.
 */
export async function moveHome(pair: StorePair, key: string): Promise<boolean> {
  const atOther = await readState(pair.other, key);
  if (atOther.kind === "nothing" || atOther.kind === "copy") return false;
  const located = await find(pair, key, { move: true });
  if (located?.store === pair.other) {
    throw new StoreError(`coatcheck: session ${key} could not be moved to the other store, and stays where it is.`);
  }
  if (atOther.kind === "marker") {
    await pair.other.delete(key, atOther.version);
    return located !== undefined;
  }
  // Without a move, home has one of its own under this key, and every server finds that one. This one stays where it is: it
  // may be the same, if both addresses lead to one store.
  return located?.hasMoved === true;
}
