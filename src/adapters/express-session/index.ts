// A drop-in for express-session: the same call, options, session, cookie and stores.

import type { SessionOf } from "../express-request.ts";
import { Cookie } from "./cookie.ts";
import { MemoryStore } from "./memory-store.ts";
import { session as middleware, type SessionMiddleware } from "./middleware.ts";
import { Session, type SessionData } from "./session.ts";
import type { SessionOptions } from "./settings.ts";
import { Store } from "./store.ts";

export type { CookieData, CookieOptions } from "./cookie.ts";
export type { SessionData, SessionRequest, StoredData } from "./session.ts";
export type { ExpressSessionStore } from "./settings.ts";
export type { SessionMiddleware, SessionOptions };

declare global {
  namespace Express {
    interface Request extends WithSession<Request> {}
  }
  namespace CoatcheckSession {
    interface Kinds {
      expressSession: Session & Partial<SessionData & Data>;
    }
  }
}

/** A request with a session. Inherited, so that the types of express-session may stand beside it: theirs hold then. */
interface WithSession<Request> {
  /** This user's session. */
  session: SessionOf<Request>;
  /** The id of the session. It gives access to it: never log it. */
  sessionID: string;
}

/** What `require("coatcheck/express-session")` gives: the function, with the classes that stores take from it. */
export interface ExpressSession {
  (options?: SessionOptions): SessionMiddleware;
  readonly Store: typeof Store;
  readonly Session: typeof Session;
  readonly Cookie: typeof Cookie;
  readonly MemoryStore: typeof MemoryStore;
}

/**
 * Sessions as those of express-session: `app.use(session({ secret, resave: false, saveUninitialized: false }))`. With a
 * store of coatcheck, as `store: redis({ … })`, parallel requests keep each other's keys, and an ended session stays ended.
 *
 * @throws OptionError naming the option, its value and the fix.
 */
const session: ExpressSession = Object.assign(middleware, { Store, Session, Cookie, MemoryStore });
// For CommonJS under the older resolution of modules, whose types are those of the ES module.
Object.defineProperties(session, { default: { value: session }, session: { value: session } });

export { Cookie, MemoryStore, Session, Store, session, session as default };
