export type { Resolver, Resolvers } from "./changes.ts";
export type { Encryption } from "./cipher.ts";
export type { CompressOptions } from "./compression.ts";
export type { CookieOptions } from "./cookie.ts";
export type { CookieSource } from "./cookie-source.ts";
export type { Duration } from "./duration.ts";
export {
  CapabilityError,
  ClientGoneError,
  CoatcheckError,
  ConflictError,
  LeaseLostError,
  LockTimeoutError,
  OptionError,
  QueueFullError,
  SessionClosedError,
  SessionTooLargeError,
  StoreError,
  UnstorableValueError,
} from "./errors.ts";
export type { EndReason, SessionEvents } from "./events.ts";
export type { OpenOptions } from "./opener.ts";
export type { ExclusiveOptions, SessionsOptions } from "./options.ts";
export type { Mode, Session } from "./session.ts";
export {
  createSessions,
  type SessionData,
  type SessionInfo,
  type Sessions,
} from "./sessions.ts";
export type {
  ClaimedSession,
  OpenedSession,
  SessionChange,
  SessionCopy,
  SessionEntry,
  SessionStore,
  SessionWrite,
  StoreAtOnce,
  StoredSession,
  Version,
} from "./store.ts";
