// The entry point `coatcheck/legacy`: sessions of other packages, taken over while the application runs.

export { cookieSession, type LegacyCookieSessionOptions } from "./cookie-session.ts";
export { expressSession, type LegacyExpressSessionOptions } from "./express-session.ts";
export { fastifySession, type LegacyFastifySessionOptions } from "./fastify-session.ts";
export { h3Session, type LegacyH3SessionOptions } from "./h3.ts";
export { ironSession, type LegacyIronSessionOptions } from "./iron-session.ts";
export { koaSession, type LegacyKoaSessionOptions, type LegacyKoaStore } from "./koa-session.ts";
export { type LegacySecureSessionOptions, secureSession } from "./secure-session.ts";
export type { KeygripLike, LegacyKeys } from "./signed-cookie.ts";
export type {
  Adopted,
  LegacyCookieOptions,
  LegacyOptions,
  LegacySource,
  OldSession,
  WrittenSession,
} from "./source.ts";
export type { LegacyStore, StoredOptions } from "./stored.ts";
