// Parallel clicks: the same ones at this shop and at the one with express-session.
import type { Hung } from "../state.ts";
import { wares } from "../wares.ts";
import { MEETING } from "./meeting.ts";

/** What became of the clicks. */
export interface Race {
  /** The wares on the rail of express-session, of those that were clicked. */
  readonly rival: readonly string[];
  /** The wares on the guest's own rail, of those that were clicked. */
  readonly own: readonly string[];
  /** How many of the clicks a shop answered as done, of both together. */
  readonly done: number;
}

export interface RaceOptions {
  /** The load balancer's address. */
  url: string;
  /** The guest's Cookie header. */
  cookie: string;
  /** Different for each race: hangers begin with it. */
  name: string;
  /** The guest's rail as it is now. */
  rail(): Promise<readonly Hung[]>;
}

/** All wares are hung up at the same time in both shops. Each click goes to another server. */
export async function race({ url, cookie, name, rail }: RaceOptions): Promise<Race> {
  const rivalCookie = await firstCookie(`${url}/rival/rail`);
  const answers = await Promise.all([
    ...clicks(`${url}/rail`, cookie, name),
    ...clicks(`${url}/rival/rail`, rivalCookie, name),
  ]);
  const rivalRail = (await (await fetch(`${url}/rival/rail`, { headers: { cookie: rivalCookie } })).json()) as Hung[];
  const clicked = (rail: readonly Hung[]) =>
    rail.filter(({ hanger }) => hanger.startsWith(name)).map(({ ware }) => ware);
  return {
    own: clicked(await rail()),
    rival: clicked(rivalRail),
    done: answers.filter(({ status }) => status === 303).length,
  };
}

/** Sends a click for each ware. They meet: all have read the session before one of them saves it. */
function clicks(url: string, cookie: string, name: string): Promise<Response>[] {
  const kinds = Object.keys(wares);
  const shop = new URL(url).pathname === "/rail" ? "own" : "rival";
  return kinds.map((ware) =>
    fetch(url, {
      method: "POST",
      headers: { cookie, [MEETING]: `${name}-${shop}/${kinds.length}/${ware}` },
      body: new URLSearchParams({ ware, hanger: `${name}-${ware}` }),
      redirect: "manual",
    }),
  );
}

async function firstCookie(url: string): Promise<string> {
  const response = await fetch(url);
  return response.headers.getSetCookie()[0]!.split(";")[0]!;
}
