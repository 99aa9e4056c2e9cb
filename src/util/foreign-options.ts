// Options of other packages for sessions, and what to write instead.

import type { OptionHints } from "./option-names.ts";

const NOT_NEEDED = "leave it out:";
const SECOND = "it is an option of an adapter: session(sessions, { … }).";
const IN_COOKIE = "it belongs into cookie: cookie: { … }.";

/** Options of other packages (express-session, cookie-session, iron-session), and of session.json. */
export const FOREIGN_OPTIONS: OptionHints = {
  resave: `${NOT_NEEDED} a session is stored only if the request changed it.`,
  saveUninitialized: `${NOT_NEEDED} a new session is stored once something is written to it.`,
  rolling: `${NOT_NEEDED} each request that opens a session extends it, by idleTimeout.`,
  unset: `${NOT_NEEDED} session.destroy() ends a session.`,
  proxy: `${NOT_NEEDED} cookie.secure: "auto" asks the framework, or looks at X-Forwarded-Proto.`,
  genid: `${NOT_NEEDED} tickets are random, and signed with the secret.`,
  generate: `${NOT_NEEDED} tickets are random, and signed with the secret.`,
  name: "write cookie: { name: … }.",
  key: "write cookie: { name: … } for a name, or secret for a secret.",
  keys: "write secret: an array of secrets, of which the first signs and all open.",
  password: "write secret.",
  secrets: "write secret: a text, or an array of them.",
  ttl: 'write idleTimeout, such as "20m" or milliseconds.',
  timeout: 'write idleTimeout, such as "20m" or milliseconds; the minutes of "timeout" are for session.json.',
  maxAge: "write idleTimeout for the session, and cookie: { maxAge: … } for its cookie.",
  expires: "write idleTimeout for the session, and cookie: { maxAge: … } for its cookie.",
  cookieName: "write cookie: { name: … }.",
  cookieOptions: "write cookie: { … }.",
  cookieSameSite: "write cookie: { sameSite: … }.",
  compressionEnabled: "write compress: true.",
  requestMode: 'write mode: "merge", "exclusive" or "readonly".',
  sameSite: IN_COOKIE,
  secure: IN_COOKIE,
  httpOnly: `${NOT_NEEDED} the session's cookie is always HttpOnly.`,
  domain: IN_COOKIE,
  path: IN_COOKIE,
  options:
    "give the store itself, as in store: redis({ … }); for a session.json, use fromConfig() of coatcheck/config.",
  customProvider: "for a session.json, use fromConfig() of coatcheck/config.",
  providers: "for a session.json, use fromConfig() of coatcheck/config.",
  "cookie.httpOnly": `${NOT_NEEDED} the session's cookie is always HttpOnly.`,
  "cookie.signed": `${NOT_NEEDED} tickets are always signed.`,
  "cookie.overwrite": `${NOT_NEEDED} a response has one cookie for the session.`,
  "cookie.expires": "write cookie: { maxAge: … }, a span of time.",
  "cookie.originalMaxAge": "write cookie: { maxAge: … }, a span of time.",
  "cookie.priority": `${NOT_NEEDED} only some browsers know it.`,
  saveFailed: SECOND,
  onError: SECOND,
  property: SECOND,
  read: "a store belongs into store: createSessions({ store: … }).",
};
