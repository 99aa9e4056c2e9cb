// What the bare servers do instead of using a session.
import type { Actions } from "../contender.ts";
import { USER } from "../session-data.ts";

let count = 0;

/** The answers have the same length as a session's. */
export const withoutSession: Actions<unknown> = {
  read: () => USER,
  change: () => ++count,
  fill: () => {},
  set: () => {},
  all: () => ({}),
};
