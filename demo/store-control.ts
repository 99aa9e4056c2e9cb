// The store of the farm: stopped, started, and changed for another one while the shop is open.
import { migrating } from "../src/compose/index.ts";
import { fillWithGuests } from "./acts/other-guests.ts";
import { prepareConnector } from "./acts/rival-stores.ts";
import type { Move, StoreState } from "./state.ts";
import {
  describeStore,
  environments,
  openPlain,
  type PlainLocation,
  prepareStore,
  type StoreLocation,
  type StoreServer,
  type WantedStore,
} from "./stores.ts";

export interface StoreControl {
  /** Where servers that start now keep their sessions. */
  readonly location: StoreLocation;
  readonly state: StoreState;
  /** Stops the store's server, as an outage would. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Moves all sessions to the next store, in the three rounds that docs/composing.md describes. */
  move(): Promise<void>;
}

export interface StoreControlOptions {
  secret: string;
  /** Replaces each server by one that has the current `location`, one after the other. */
  replaceServers(): Promise<void>;
  onChange(): void;
}

/** Sessions that move in a second. Slower than `copy()` is by default, so that the move can be watched. */
const MOVED_PER_SECOND = 100;

/** Starts what the store needs. */
export async function storeControl(
  wanted: WantedStore,
  { secret, replaceServers, onChange }: StoreControlOptions,
): Promise<StoreControl> {
  const prepared = await prepareStore(wanted);
  if ("environment" in prepared.location) await prepareConnector(prepared.location);
  let location: StoreLocation = prepared.location;
  let server: StoreServer | undefined = prepared.server;
  let name = (await describeStore(location)).name;
  let state: StoreState["state"] = "up";
  let move: Move | undefined;

  function change(next: { state?: StoreState["state"]; move?: Move | undefined }): void {
    state = next.state ?? state;
    if ("move" in next) move = next.move;
    onChange();
  }

  async function replace(next: StoreLocation): Promise<void> {
    location = next;
    await replaceServers();
  }

  /** The three rounds of `migrating`. Each ends before the next one begins. */
  async function moveSessions(from: PlainLocation, to: PlainLocation): Promise<void> {
    const stores = migrating({ from: openPlain(from), to: openPlain(to) });
    let progress: Pick<Move, "moved" | "left"> = { moved: 0, left: await fillWithGuests(openPlain(from), secret) };
    const show = (step: string) => change({ move: { to: to.environment, step, ...progress } });
    try {
      show("round 1 of 3: prepare");
      await replace({ from, to, phase: "prepare" });
      show("round 2 of 3: move");
      await replace({ from, to, phase: "move" });
      do {
        progress = await stores.copy({
          perSecond: MOVED_PER_SECOND,
          onProgress({ moved, left }) {
            progress = { moved, left };
            show(`copy: ${moved} of ${moved + left}`);
          },
        });
      } while (progress.left > 0);
      show(`round 3 of 3: ${to.environment} alone`);
      await replace(to);
    } finally {
      await stores.close();
    }
  }

  return {
    get location() {
      return location;
    },
    get state() {
      const next = "environment" in location ? environments[location.environment]!.next : undefined;
      return { name, state, canStop: server !== undefined, next, move };
    },

    async stop() {
      if (state !== "up" || move !== undefined) return;
      change({ state: "stopped" });
      await server?.stop();
    },

    async start() {
      if (state !== "stopped") return;
      change({ state: "starting" });
      await server?.start();
      change({ state: "up" });
    },

    async move() {
      const from = location;
      if (state !== "up" || move !== undefined || !("environment" in from)) return;
      const { next } = environments[from.environment]!;
      if (next === undefined) return;
      const show = (step: string) => change({ move: { to: next, step, moved: 0, left: 0 } });
      try {
        show(`${next} starts`);
        const target = await environments[next]!.prepare();
        const to = { environment: next, address: target.address };
        await prepareConnector(to);
        await moveSessions(from, to);
        await server?.stop(); // nobody needs it any more
        server = target.server;
        name = next;
        change({ move: undefined });
      } catch (error) {
        show("it failed: the terminal says why");
        throw error;
      }
    },
  };
}
