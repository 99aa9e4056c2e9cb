// The kinds of requests that are measured.
import type { Expectation } from "./generator.ts";
import { NO_SESSION_COOKIE, OTHER_COOKIES, USER } from "./session-data.ts";

/** One kind of request. */
export interface Scenario {
  readonly title: string;
  readonly path: string;
  /** True if requests come with the cookie of an existing session. */
  readonly withSession: boolean;
  /** What a contender with sessions must answer. */
  readonly expect: Expectation;
}

export const scenarios = {
  new: { title: "new session", path: "/new", withSession: false, expect: { body: "created", cookie: true } },
  read: { title: "read one key", path: "/read", withSession: true, expect: { body: USER } },
  change: { title: "change one key", path: "/change", withSession: true, expect: { counter: true } },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;

/** In the order of a contender's turn: new sessions come first, so that they are deleted before the others are measured. */
export const scenarioNames = Object.keys(scenarios) as ScenarioName[];

/** A request as a browser sends it, with the headers that matter. */
export function request(path: string, sessionCookie?: string): string {
  const [before, after] = OTHER_COOKIES;
  const cookies = sessionCookie === undefined ? [before, after] : [before, sessionCookie, after];
  return [
    `GET ${path} HTTP/1.1`,
    "Host: shop.example",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,*/*;q=0.8",
    `Cookie: ${cookies.join("; ")}`,
    "\r\n",
  ].join("\r\n");
}

/** The cookie that the bare server gets instead of a session's. */
export const noSession = NO_SESSION_COOKIE;
