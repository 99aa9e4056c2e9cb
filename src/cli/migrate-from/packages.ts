// What becomes of the session packages that have no drop-in: each call and each use of a session, for a person.

/** What to write instead, and why a person has to. */
export interface Advice {
  change: string;
  why: string;
}

export interface PackageRules {
  /** True if the sessions are a part of a framework, which stays. Its tools may import its exports by themselves. */
  isFramework?: boolean;
  /** The documentation of what takes its place. */
  guide: string;
  /** By the name of an export; `default` is also what `require` gives. */
  exports: Readonly<Record<string, Advice>>;
  /** By the name of a member of the session. Undefined: it stays as it is. Any other member is data, if `holdsData`. */
  members: Readonly<Record<string, Advice | undefined>>;
  /** True if `session.user` is data, which is `session.data.user` in coatcheck. */
  holdsData: boolean;
  /** The exports whose promise, or value, is a session. Else a session is the property `session` of a request. */
  givesSession?: readonly string[];
}

const MIDDLEWARE = "Secret, cookie and lifetime are options of createSessions, which the whole application shares.";
const SET_UP = (entry: string, use: string): Advice => ({
  change: `import { session } from "${entry}", and ${use} with sessions = createSessions({ store, secret })`,
  why: MIDDLEWARE,
});
const DESTROY: Advice = { change: "await session.destroy()", why: "It asks the store, so it has to be awaited." };
const REGENERATE: Advice = {
  change: "await session.regenerate()",
  why: "It keeps the data: name what may stay with { keep: […] } where another user logs in.",
};
const NOT_NEEDED: Advice = { change: "remove it", why: "Changes are saved before the response starts." };
const LIFETIME: Advice = {
  change: 'session.persist("30d"), or the options idleTimeout and cookie of createSessions',
  why: "A lifetime belongs to the session in the store, and not to its cookie alone.",
};
const ID: Advice = { change: "session.id", why: "It is public, and can't be turned into a cookie." };
const IN_COOKIE: Advice = {
  change: "sessions.open(cookieHeader, { mode: 'readonly' })",
  why: "The cookie holds a ticket, and the data is in the store.",
};

/** The members that coatcheck's session has, too, with the same meaning. */
const SAME = { get: undefined, set: undefined, isNew: undefined } as const;

export const PACKAGES: Readonly<Record<string, PackageRules>> = {
  "cookie-session": {
    guide: "docs/adapters.md",
    exports: { default: SET_UP("coatcheck/express", "app.use(session(sessions))") },
    members: {
      isNew: undefined,
      isChanged: { change: "remove it", why: "A change is noticed without it." },
      isPopulated: { change: "session.keys().length > 0", why: "The name is another one." },
    },
    holdsData: true,
  },
  "koa-session": {
    guide: "docs/frameworks.md#koa",
    exports: { default: SET_UP("coatcheck/koa", "app.use(session(sessions))") },
    members: {
      isNew: undefined,
      maxAge: LIFETIME,
      externalKey: ID,
      save: { change: "await session.save()", why: "It writes now, and gives a promise." },
      manuallyCommit: { change: "await session.save()", why: "It writes now, and gives a promise." },
      regenerate: REGENERATE,
      populated: { change: "session.keys().length > 0", why: "The name is another one." },
    },
    holdsData: true,
  },
  "@fastify/session": {
    guide: "docs/adapters.md#fastify",
    exports: { default: SET_UP("coatcheck/fastify", "await app.register(session(sessions))") },
    members: {
      ...SAME,
      save: undefined,
      reload: undefined,
      destroy: DESTROY,
      regenerate: REGENERATE,
      touch: { change: "remove it", why: "Each request extends the session." },
      options: LIFETIME,
      cookie: LIFETIME,
      sessionId: ID,
      encryptedSessionId: { change: "remove it", why: "Only the browser has the ticket." },
    },
    holdsData: true,
  },
  "@fastify/secure-session": {
    guide: "docs/adapters.md#fastify",
    exports: { default: SET_UP("coatcheck/fastify", "await app.register(session(sessions))") },
    members: {
      ...SAME,
      data: { change: "session.data", why: "It is a property, and not a function." },
      delete: DESTROY,
      regenerate: REGENERATE,
      touch: { change: "remove it", why: "Each request extends the session." },
      options: LIFETIME,
      changed: { change: "remove it", why: "A change is noticed without it." },
      deleted: { change: "remove it", why: "After destroy(), the session is empty." },
    },
    holdsData: true,
  },
  "iron-session": {
    guide: "docs/frameworks.md#nextjs",
    exports: {
      getIronSession: {
        change: 'the session of your framework\'s adapter, such as nextSessions(sessions) of "coatcheck/next"',
        why: MIDDLEWARE,
      },
      sealData: IN_COOKIE,
      unsealData: IN_COOKIE,
    },
    members: { save: NOT_NEEDED, destroy: DESTROY, updateConfig: LIFETIME },
    holdsData: true,
    givesSession: ["getIronSession"],
  },
  h3: {
    isFramework: true,
    guide: "docs/frameworks.md#h3-and-nitro",
    exports: {
      useSession: { change: "event.context.session, after app.use(session(sessions))", why: MIDDLEWARE },
      getSession: { change: "event.context.session, after app.use(session(sessions))", why: MIDDLEWARE },
      updateSession: { change: "Object.assign(session.data, …)", why: "A change of session.data is saved by itself." },
      clearSession: DESTROY,
      sealSession: IN_COOKIE,
      unsealSession: IN_COOKIE,
    },
    members: {
      data: undefined,
      id: undefined,
      update: { change: "Object.assign(session.data, …)", why: "update(key, fn) changes one key." },
      clear: { change: "session.clear(), or await session.destroy() for a logout", why: "clear() keeps the ticket." },
    },
    holdsData: false,
    givesSession: ["useSession", "getSession"],
  },
};
