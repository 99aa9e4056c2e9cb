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

/** The application's name. Not that of its cookie, because the phone has another cookie. */
export const APPLICATION = "cloakroom";

export const newGuest = { rail: [], visits: 0 } satisfies Guest;

/** The state of one server. Numbers count from 1. */
export type ServerState =
  | { readonly number: number; readonly state: "down" }
  | { readonly number: number; readonly state: "starting"; readonly pid: number }
  | { readonly number: number; readonly state: "up"; readonly pid: number; readonly url: string };

/** The state of the store that the servers share. */
export interface StoreState {
  readonly name: string;
  readonly state: "up" | "stopped" | "starting";
  /** True if the farm has started the store's server, and so can stop it. */
  readonly canStop: boolean;
  /** The store that the sessions can move to. Undefined: none. */
  readonly next?: string | undefined;
  /** The move that is under way. */
  readonly move?: Move | undefined;
}

/** A move of all sessions to another store. */
export interface Move {
  /** The name of the other store. */
  readonly to: string;
  /** What happens now, in a few words. */
  readonly step: string;
  /** Sessions that have moved, and those that have not. */
  readonly moved: number;
  readonly left: number;
}

/** What the panel shows. */
export interface FarmState {
  /** The load balancer's address. */
  readonly url: string;
  readonly servers: readonly ServerState[];
  readonly store: StoreState;
  /** The last answers, oldest first. */
  readonly answers: readonly Answer[];
}
