// A store whose clock differs from this process's, as if the two agreed.

import { type SessionStore, type StoredSession, withSync } from "../store.ts";
import { HOUR, that } from "./kit.ts";

/** Clocks that differ by less than this agree: some services give their time in whole seconds. */
const AGREE_MS = 2_000;
/** A clock that is wrong by more than this gives no milliseconds since 1970. */
const MAX_OFFSET_MS = 10 * 365 * 24 * HOUR;

/** The milliseconds by which the store's clock is ahead of this process's. 0: they agree. */
export async function clockOffset(store: SessionStore): Promise<number> {
  if (store.time === undefined) return 0;
  const before = Date.now();
  const time = await store.time();
  const offset = Math.round(time - (before + Date.now()) / 2);
  that(Math.abs(offset) < MAX_OFFSET_MS, `time must give milliseconds since 1970, not ${time}.`);
  return Math.abs(offset) < AGREE_MS ? 0 : offset;
}

/**
 * The same store, in instants of this process's clock. The cases speak of those, and a store may have another clock: a wrong
 * one is no fault, as long as the store goes by it.
 */
export function byLocalClock(store: SessionStore, offset: number): SessionStore {
  if (offset === 0) return store;
  const there = (instant: number) => instant + offset;
  const here = <Timed extends { expiresAt: number }>(timed: Timed): Timed => ({
    ...timed,
    expiresAt: timed.expiresAt - offset,
  });
  const found = (session: StoredSession | undefined) => session && here(session);
  const until = (touchUntil: number | undefined) => (touchUntil === undefined ? undefined : there(touchUntil));
  const written = <Timed extends { expiresAt: number }>(timed: Timed): Timed => ({
    ...timed,
    expiresAt: there(timed.expiresAt),
  });

  const local: SessionStore = {
    ...(store.inProcess && { inProcess: true }),
    ...(store.atomic === false && { atomic: false }),
    read: async (key, touchUntil) => found(await store.read(key, until(touchUntil))),
    create: (key, session) => store.create(key, written(session)),
    update: (key, session, ifVersion) => store.update(key, written(session), ifVersion),
    delete: (key, ifVersion) => store.delete(key, ifVersion),
    touch: (key, expiresAt) => store.touch(key, there(expiresAt)),
    time: async () => (await store.time!()) - offset,
    close: () => store.close(),
  };
  if (store.refresh) local.refresh = async (key, touchUntil) => found(await store.refresh!(key, until(touchUntil)));
  if (store.watch) local.watch = (listener, onListening) => store.watch!(listener, onListening);
  if (store.list) {
    local.list = async function* (query) {
      for await (const entry of store.list!(query)) yield here(entry);
    };
  }
  if (store.claimExpired) {
    local.claimExpired = async (now, limit) => (await store.claimExpired!(there(now), limit)).map(here);
  }
  return withSync(local, store.sync && { read: (key, touchUntil) => found(store.sync!.read(key, until(touchUntil))) });
}
