import type { Actions } from "../contender.ts";
import { USER } from "../session-data.ts";

let count = 0;

/** The bare server gives answers of the same length, from nowhere. */
export const withoutSession: Actions<unknown> = {
  read: () => USER,
  change: () => ++count,
  fill: () => {},
  set: () => {},
  all: () => ({}),
};
