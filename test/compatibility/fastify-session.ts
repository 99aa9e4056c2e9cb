// @fastify/session's own tests, against coatcheck's adapter for Fastify with that package's names put before it.

import { fileURLToPath } from "node:url";
import { ignore, type Outcome, rangesOf, type Suite } from "./suite.ts";

const VERSION = "11.1.3";
const REPOSITORY = "https://github.com/fastify/session.git";
/** The others are of its own files: the checks of its options, its ids, its store, and its comparison of paths. */
const FILES = ["base", "cookie", "expiration", "session", "store"];
/** Of these files, what asks for an object of its own, or for one that only the facade gives. */
const LEFT_OUT = ["cookie: Cookie", "store: should decorate request with sessionStore"];
const RUNNER = ["@fastify/cookie", "fastify", "fastify-plugin"];
const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const FACADE = JSON.stringify(path("fastify-facade.ts"));

export const fastifySession: Suite = {
  name: "@fastify/session",
  deviations: [
    {
      reason: "a session in which nothing is is not stored, and gets no cookie: there is no `saveUninitialized`",
      tests: [
        "base: should create new session on expired session",
        "base: should handle algorithm sha256",
        "base: should handle algorithm sha512",
        "expiration: sessions should be deleted if expired",
        "session: should generate new sessionId",
        "session: should not reset session cookie expiration if rolling is false",
      ],
    },
    {
      reason: "the store is not asked for a session in which nothing is, so it can't fail",
      tests: [
        "session: destroy supports rejecting promises",
        "session: regenerate supports rejecting promises",
        "session: reload supports rejecting promises",
        "session: save supports rejecting promises",
      ],
    },
    {
      reason:
        "the cookie's attributes are the application's, and no session has a `cookie` of its own, nor `touch()` or `isModified()`",
      tests: [
        "base: should set session.cookie.expires if maxAge",
        "cookie: session.cookie should have expires if maxAge is set",
        "cookie: should use session cookie secure override when saving non secure cookie",
        "cookie: should use session cookie secure override when saving secure cookie",
        "cookie: when cookie secure is set to false then store secure as false",
        "session: should add session.cookie object to request",
        "session: should update the expires property of the session using Session#touch() even if rolling is false",
        "session: when rolling is false, only save session when it changes, but.assert.notStrictEqual if manually saved",
        "session: will not update expires property of the session using Session#touch() if maxAge is not set",
        "session: should save session if existing, modified, rolling false, and cookie.expires null",
        "session: session.options should not leak cookie overrides to new sessions",
      ],
    },
    {
      reason:
        "the cookie is `HttpOnly` in any case, has `maxAge` and no `expires`, and `SameSite=None` needs `secure: true`",
      tests: [
        "cookie: should set session cookie with expires",
        "cookie: should set session non HttpOnly cookie",
        "cookie: should set session cookie secureAuto change SameSite",
        "cookie: should set session cookie secureAuto keep SameSite when secured",
        "cookie: should set session partitioned cookie secure http encrypted",
      ],
    },
    {
      reason: "coatcheck makes the tickets, and signs them in its own way: no `idGenerator`, no signer, no prefix",
      tests: [
        "base: should set express sessions using the specified cookiePrefix",
        "base: should handle custom signer",
        "session: should add session.encryptedSessionId object to request",
        "session: should use custom sessionId generator if available (without request)",
        "session: should use custom sessionId generator if available (with request)",
        "session: should use custom sessionId generator if available (with request and rolling false)",
      ],
    },
    {
      reason: "a session that is taken over gets a ticket and an id of its own, and the application's timeouts",
      tests: [
        "base: should support multiple secrets",
        "cookie: should use session.cookie.originalMaxAge instead of the default maxAge",
      ],
    },
    {
      reason: "outside of a request, `sessions.open(cookieHeader)` opens a session: there is no `decryptSession`",
      tests: [
        "session: should decorate the server with decryptSession",
        "session: should decryptSession with custom request object",
        "session: should decryptSession with custom cookie options",
      ],
    },
    {
      reason: "the store has one sealed value, under a hash of the ticket",
      tests: ["base: should save the session properly"],
    },
    {
      reason: "a store that fails is answered 503, and not 500",
      tests: [
        "session: should bubble up errors with destroy call if session expired",
        "store: should pass error on store.set to done",
        "store: should pass error to done if non-ENOENT error on store.get",
      ],
    },
    {
      reason: "a session that has expired is not destroyed by the next request, whose store can't fail at that",
      tests: ["store: should set new session cookie if expired"],
    },
    {
      reason: "after `destroy()`, `request.session` stays: a later write begins a new session",
      tests: ["session: should destroy the session"],
    },
    {
      reason: "the cookie of a dead ticket stays in the browser, which may have a newer one by now",
      tests: [
        "session: clears cookie if not backed by a session, and there's nothing to save",
        "session: clearing cookie sets the domain if it's specified in the cookie options",
        "session: clearing cookie sets the path if it's specified in the cookie options",
      ],
    },
    {
      reason:
        "use moves a session's end on, and renews its cookie, once a tenth of its life has passed, and not with each request",
      tests: ["session: when rolling is true, keep saving the session", "session: Override global options"],
    },
  ],

  async run(folder) {
    const version = await folder.checkOut(this.name, REPOSITORY, VERSION, ["test", "lib", "package.json"]);
    await folder.install(...rangesOf(folder.read("package.json"), RUNNER));
    folder.write(
      "index.js",
      `const { facade } = require(${FACADE});
module.exports = (fastify, options, done) => facade(options)(fastify, options, done);
module.exports[Symbol.for("skip-override")] = true;
`,
    );
    // How a cookie's value looks, which the tests have as a constant.
    folder.write(
      "ticket.cjs",
      `require("./test/util.js").SIGNED_COOKIE_VALUE_PATTERN = require(${FACADE}).TICKET_SYNTAX;\n`,
    );
    const reporter = [`--test-reporter=${path("outcomes.ts")}`, "--test-reporter-destination=report.json"];
    const files = FILES.map((name) => `test/${name}.test.js`);
    await folder.run(process.execPath, ["--require=./ticket.cjs", "--test", ...reporter, ...files]).catch(ignore);
    const tests = JSON.parse(folder.read("report.json")) as Outcome[];
    return { version, tests: tests.filter(({ title }) => !LEFT_OUT.includes(title)) };
  },
};
