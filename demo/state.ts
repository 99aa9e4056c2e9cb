// What the parts of the demo share: the guest's data, and the state of the farm.
import type { Answer } from "./balancer.ts";

/** The data of a guest's session. */
export interface Guest {
  rail: Hung[];
  visits: number;
  name?: string;
}

/** A ware on the guest's rail. Each hangs on a different hanger. */
export interface Hung {
  hanger: string;
  ware: string;
}

export const newGuest = { rail: [], visits: 0 } satisfies Guest;

/** The state of one server. Numbers count from 1. */
export type ServerState =
  | { readonly number: number; readonly state: "down" }
  | { readonly number: number; readonly state: "starting"; readonly pid: number }
  | { readonly number: number; readonly state: "up"; readonly pid: number; readonly url: string };

/** What the panel shows. */
export interface FarmState {
  readonly servers: readonly ServerState[];
  /** The last answers, oldest first. */
  readonly answers: readonly Answer[];
}
