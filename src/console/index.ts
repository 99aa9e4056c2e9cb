// The web console: what all servers of the farm do, live, and the sessions of an owner.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Sessions } from "../index.ts";
import { checkNames, type OptionNames } from "../util/option-names.ts";
import { createConsole, type Permission } from "./create-console.ts";
import { joinFarm } from "./farm-member.ts";
import { fetchHandler } from "./fetch-handler.ts";
import { nodeHandler } from "./node-handler.ts";

export type {
  ConsoleState,
  Ended,
  Failure,
  Found,
  RecordView,
  ServerReport,
  ServerStatus,
  ServerTotals,
  SessionView,
} from "./protocol.ts";
export type { FrameworkRequest } from "./request.ts";

export interface ReportOptions {
  /** What the console calls this server. Default: its host's name and process id, such as `"web-1:4711"`. */
  name?: string;
}

export interface ConsoleOptions extends ReportOptions, Permission {
  /**
   * Says whether the sender of the request may see the console, and end sessions. It is called for each request, and again
   * every 30 seconds while the page is open, when `false` ends the page's stream. The request is Node's (Express: its own) or
   * a `Request`, and `context` what was given beside a `Request`. There is no default: without it the console does not start.
   */
  authorize: Permission["authorize"];
}

export interface Console {
  /** Handles the requests of node:http, Express, Fastify, Koa and NestJS. */
  node(req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** Handles a `Request`. `context` goes to `authorize`. */
  fetch(request: Request, context?: unknown): Promise<Response>;
  /** Ends open streams, and says in the store that this server has stopped. `sessions.close()` does it, too. */
  close(): Promise<void>;
}

/** What `report` gives. */
export interface Report {
  /** Says in the store that this server has stopped. `sessions.close()` does it, too. */
  close(): Promise<void>;
}

const REPORT_NAMES: OptionNames<ReportOptions> = { name: "string" };
const CONSOLE_NAMES: OptionNames<ConsoleOptions> = { name: "string", authorize: true };
const ASK_AGAIN_AFTER_MS = 30_000;

/**
 * The console of these sessions: mount `node` or `fetch` where administrators find it. This server takes part in the farm
 * that the console shows, as with `report`.
 *
 * @throws OptionError without `authorize`.
 */
export function console<Data extends object>(sessions: Sessions<Data>, options: ConsoleOptions): Console {
  checkNames("console()", options, CONSOLE_NAMES);
  const { name, authorize } = options;
  const core = createConsole(sessions, { authorize, name, takesPart: true, askAgainAfter: ASK_AGAIN_AFTER_MS });
  return { node: nodeHandler(core), fetch: fetchHandler(core), close: core.close };
}

/**
 * Lets the consoles of other servers, and `npx coatcheck console`, show this server: for servers that have no console
 * themselves. A server reports through the store, every ten seconds, and each second while somebody looks.
 */
export function report<Data extends object>(sessions: Sessions<Data>, options: ReportOptions = {}): Report {
  checkNames("report()", options, REPORT_NAMES);
  const { leave } = joinFarm(sessions, options.name);
  return { close: leave };
}
