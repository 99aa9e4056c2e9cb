// Other guests of the shop, so that a move has more than one session to move.
import { createSessions, type SessionStore } from "../../src/index.ts";
import { APPLICATION, type Guest, newGuest } from "../state.ts";
import { wares } from "../wares.ts";

const OTHER_GUESTS = 200;

/** Begins the sessions of other guests in a store, and closes it. Resolves with their number. */
export async function fillWithGuests(store: SessionStore, secret: string): Promise<number> {
  const names = Object.keys(wares);
  const sessions = createSessions<Guest>({
    store,
    secret,
    application: APPLICATION,
    idleTimeout: "20m",
    absoluteTimeout: "8h",
    initial: newGuest,
  });
  await Promise.all(
    Array.from({ length: OTHER_GUESTS }, async (_, i) => {
      const session = await sessions.open(undefined);
      session.data.rail = [{ hanger: `guest-${i}`, ware: names[i % names.length]! }];
      session.owner = `guest-${i}`;
      await session.commit();
    }),
  );
  await sessions.close();
  return OTHER_GUESTS;
}
