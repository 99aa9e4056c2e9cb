// The console: asks for permission, and answers the requests of its page.

import { randomBytes } from "node:crypto";
import { Description, OptionError, reasonOf, StoreError } from "../errors.ts";
import type { Sessions } from "../index.ts";
import { internalsOf } from "../management/internals.ts";
import { type Answer, events, failure, json, notAllowed, notice, redirect } from "./answer.ts";
import { assetNamed, BUILT, indexPage } from "./assets.ts";
import { joinFarm } from "./farm-member.ts";
import { forgeryIn } from "./forgery.ts";
import { liveEvents } from "./live-events.ts";
import { Observer, type Sender } from "./observer.ts";
import { type ConsoleRequest, type FrameworkRequest, header } from "./request.ts";
import { answerTo, end, find } from "./session-search.ts";

export interface Permission {
  /** Whether the sender of the request may see the console. */
  authorize(request: FrameworkRequest, context?: unknown): boolean | Promise<boolean>;
}

/** What differs between the console of a server and that of the command line. */
export interface ConsoleSettings extends Permission {
  readonly name: string | undefined;
  /** False: the console looks at the farm, and is no server of it. */
  readonly takesPart: boolean;
  /** Milliseconds after which an open stream asks for permission again. */
  readonly askAgainAfter: number;
}

export interface ConsoleCore {
  answer(request: ConsoleRequest): Promise<Answer>;
  close(): Promise<void>;
}

/** @throws OptionError */
export function createConsole<Data extends object>(sessions: Sessions<Data>, settings: ConsoleSettings): ConsoleCore {
  const internals = internalsOf(sessions);
  if (typeof settings.authorize !== "function") {
    throw new OptionError(
      "authorize",
      settings.authorize === undefined ? new Description("missing") : settings.authorize,
      "give a function that says who may see the console: (request) => true or false, or a promise of it.",
    );
  }
  const member = settings.takesPart ? joinFarm(sessions, settings.name) : undefined;
  const sender: Sender = member?.reporter ?? { id: randomBytes(18).toString("base64url"), current: () => undefined };
  const observer = new Observer(internals, sender, () => sessions.count());
  /** Ends each stream that is open. */
  const streams = new Set<() => void>();
  let isClosed = false;

  async function answer(request: ConsoleRequest): Promise<Answer> {
    const place = placeOf(request.path);
    const refusal = await refusalOf(request, place);
    if (refusal !== undefined) return refusal;
    try {
      return await serve(request, place);
    } catch (error) {
      return answerTo(error);
    }
  }

  /** Undefined: the sender of the request may see the console. */
  async function refusalOf(request: ConsoleRequest, [place]: Place): Promise<Answer | undefined> {
    const isPage = place === "page" || place === "mount";
    try {
      if (await isAllowed(request)) return undefined;
    } catch (error) {
      // The page asks each second, and the event storeError says why.
      if (error instanceof StoreError) {
        const sentence = "The store does not answer, so the permission could not be checked. Try again in a moment.";
        return isPage ? notice(503, "The store is down", sentence) : failure(503, sentence);
      }
      process.emitWarning(`coatcheck: authorize() of the console failed: ${reasonOf(error)}`);
      return failure(500, "The permission could not be checked. The server's log says why.");
    }
    if (isPage) return notice(403, "Not allowed", "You may not see this console.");
    return failure(403, "You may not see this console.");
  }

  async function serve(request: ConsoleRequest, [place, name]: Place): Promise<Answer> {
    const allow = place === "find" || place === "end" ? "POST" : "GET, HEAD";
    if (!allow.split(", ").includes(request.method)) return notAllowed(allow);
    switch (place) {
      case "mount":
        // Relative, as a proxy may have changed what stands before.
        return redirect(`./${name}/${request.search}`);
      case "page":
        return indexPage(BUILT);
      case "asset":
        return assetNamed(BUILT, name, header(request, "if-none-match"));
      case "live":
        return events((gone) => live(request, gone));
      case "find":
        return forgeryIn(request) ?? json(200, await find(sessions, internals, await request.json()));
      case "end":
        return forgeryIn(request) ?? json(200, await end(sessions, await request.json()));
    }
  }

  async function isAllowed({ source, context }: ConsoleRequest): Promise<boolean> {
    return (await settings.authorize(source, context)) === true;
  }

  /** Ends when the client has left, when the console is closed, or when its viewer may not see it any more. */
  async function* live(request: ConsoleRequest, gone: AbortSignal): AsyncGenerator<string> {
    const ending = new AbortController();
    const askAgain = async () => {
      try {
        if (!(await isAllowed(request))) end();
      } catch (error) {
        // While the store is down nobody can be asked, and the console is needed most.
        if (error instanceof StoreError) return;
        process.emitWarning(`coatcheck: authorize() of the console failed: ${reasonOf(error)}`);
        end();
      }
    };
    const timer = setInterval(askAgain, settings.askAgainAfter);
    // Nothing is left to be done where the stream is not read any more.
    const end = () => {
      clearInterval(timer);
      streams.delete(end);
      ending.abort();
    };
    streams.add(end);
    gone.addEventListener("abort", end, { once: true });
    if (gone.aborted || isClosed) end();
    try {
      yield* liveEvents(observer, ending.signal);
    } finally {
      end();
    }
  }

  async function endStreams(): Promise<void> {
    isClosed = true;
    for (const end of streams) end();
  }
  internals.closers.add(endStreams);

  return {
    answer,
    async close() {
      internals.closers.delete(endStreams);
      await endStreams();
      await member?.leave();
    },
  };
}

type Place =
  | readonly [place: "page" | "live" | "find" | "end", name: ""]
  | readonly [place: "asset" | "mount", name: string];

/** By the end of the path: what stands before is where the application has mounted the console. */
function placeOf(path: string): Place {
  const last = path.slice(path.lastIndexOf("/") + 1);
  if (last === "") return ["page", ""];
  if (/\/assets\/[^/]+$/.test(path)) return ["asset", last];
  if (last === "live" || last === "find" || last === "end") return [last, ""];
  return ["mount", last];
}
