// The public face of coatcheck.

export type { Resolver, Resolvers } from "./commit/merge.ts";
export type { CookieSource } from "./cookies/request-source.ts";
export type { CookieOptions } from "./cookies/session-cookie.ts";
export { type HeaderTransport, type HeaderTransportOptions, header } from "./cookies/ticket-header.ts";
export {
  CapabilityError,
  ClientGoneError,
  CoatcheckError,
  ConflictError,
  CsrfError,
  LeaseLostError,
  LockTimeoutError,
  OptionError,
  QueueFullError,
  ReauthenticationError,
  SessionClosedError,
  SessionEndedError,
  SessionTooLargeError,
  StaleStampError,
  StoreError,
  TooManySessionsError,
  UnknownCipherError,
  UnknownSecretError,
  UnstorableValueError,
  ValueNotStoredError,
} from "./errors.ts";
export type { ChannelEvents, EndReason, SessionEvents } from "./events.ts";
export type { LegacySource } from "./legacy/source.ts";
export type { Health } from "./management/health.ts";
export type { PolicyReport, PolicyRule } from "./management/policy-report.ts";
export type { ExclusiveOptions, SessionsOptions } from "./options.ts";
export type { ChooseSessions, MaxPerOwner, SessionToEnd } from "./owners/limit.ts";
export type { CipherName, Encryption } from "./records/cipher.ts";
export type { CompressOptions } from "./records/compression.ts";
export type { PolicyName } from "./records/policy.ts";
export type { OpenOptions } from "./request/opener.ts";
export type {
  AdapterSession,
  BrowserAccount,
  BrowserAccounts,
  CookieParts,
  CsrfOptions,
  FollowOptions,
  LiveEnd,
  LiveSession,
  Mode,
  OnceOptions,
  OwnerWithStamp,
  PersistOptions,
  RegenerateOptions,
  Session,
  SessionCallback,
  SessionClient,
  SetOptions,
  TicketHeader,
  UseOptions,
} from "./session.ts";
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
  StoredSession,
  SyncReadStore,
  SyncReadWriteStore,
  SyncStore,
  Version,
} from "./store.ts";
export type { Duration } from "./util/duration.ts";
