// The session cookie: its name and attributes, and how the ticket travels in it (RFC 6265bis).

import { OptionError } from "../errors.ts";
import { type Duration, milliseconds } from "../util/duration.ts";
import { protocolWarnings } from "./protocol-warnings.ts";
import type { CookieSource } from "./request-source.ts";
import { TICKET_CHARS } from "./ticket.ts";

/** How the ticket travels. The defaults suit almost everybody. */
export interface CookieOptions {
  /**
   * Default: `__Host-sid`, the prefix by which browsers refuse a cookie that another host or plain http has set;
   * `__Secure-sid` with a `domain`, and `sid` where the cookie isn't `Secure`.
   */
  name?: string;
  /**
   * Send only over https. Default: true. `"auto"`: if the request came over https, for development on plain
   * http. The adapters ask the framework where it is told which proxies to trust; else the headers of proxies say it:
   * `X-Forwarded-Proto`, `Forwarded`, `X-Forwarded-Ssl`, `X-ARR-SSL`.
   */
  secure?: boolean | "auto";
  /** Which requests from other sites carry the cookie. Default: `"Lax"`. `"None"` needs `secure`. */
  sameSite?: "Strict" | "Lax" | "None";
  /** Default: `/`. */
  path?: string;
  /** Shares the cookie with subdomains. Default: this host only. */
  domain?: string;
  /** Keeps the cookie when the browser closes, for this long after its last renewal. Default: until the browser closes. */
  maxAge?: Duration;
  /** Partitions the cookie by top-level site (CHIPS). Default: false. Needs `secure`. */
  partitioned?: boolean;
}

/** Reads and writes the ticket's cookie, after RFC 6265bis. */
export interface SessionCookie {
  /** The values under the cookie's name, in the header's order; several where cookies of several paths arrive. */
  find(header: string | null | undefined, secure: boolean): string[];
  /** The `Set-Cookie` value that hands out a ticket. `maxAge`: see below; another one than the application's is a session's own. */
  issue(ticket: string, secure: boolean, maxAge?: number): string;
  /** The `Set-Cookie` value that removes the ticket from the browser. */
  clear(secure: boolean): string;
  /** The revision cookies beside the ticket's, each a digit, `=` and a text; see revision-cookies.ts. */
  findRevisions(header: string | null | undefined, secure: boolean): string[];
  /** The `Set-Cookie` value that hands out a revision cookie. */
  issueRevision(text: string, secure: boolean): string;
  /** The `Set-Cookie` value that removes the revision cookie with this digit. */
  clearRevision(digit: string, secure: boolean): string;
  /** The values of one of the two accounts cookies: the one that stays when the browser closes, or the other. See accounts-cookie.ts. */
  findAccounts(header: string | null | undefined, secure: boolean, isKept: boolean): string[];
  /** The `Set-Cookie` value that hands out an accounts cookie. `maxAge` in milliseconds; undefined: until the browser closes. */
  issueAccounts(text: string, secure: boolean, maxAge: number | undefined): string;
  /** The `Set-Cookie` value that removes an accounts cookie. */
  clearAccounts(secure: boolean, isKept: boolean): string;
  /** Milliseconds that a cookie lasts in the browser, or undefined: until it closes. */
  readonly maxAge: number | undefined;
  /** The characters that are left for a session in the cookie, beside its name, its ticket and its attributes. */
  readonly room: number;
  /** True if the cookie depends on how the request came (`secure: "auto"`). */
  readonly followsProtocol: boolean;
  /** Warns, once, of a ticket that its browser will not keep, and of one that the network can read. */
  warnOfProtocol(source: CookieSource, secure: boolean): void;
}

// RFC 6265bis 5.6: browsers drop a cookie whose name and value are longer than this together. RFC 6265 6.1: older ones may
// count the attributes, too.
const MAX_NAME_AND_VALUE = 4096;
const REVISION = /^\d=[\w-]{5,20}$/;

export function sessionCookie(options: CookieOptions = {}): SessionCookie {
  const { secure = true, sameSite = "Lax", path = "/", domain, partitioned = false } = options;
  check(options);
  const maxAge = options.maxAge === undefined ? undefined : milliseconds("cookie.maxAge", options.maxAge);

  function style(isSecure: boolean) {
    const name = options.name ?? defaultName(isSecure, domain, path);
    let attributes = `; Path=${path}; HttpOnly`;
    if (domain !== undefined) attributes += `; Domain=${domain}`;
    if (isSecure) attributes += "; Secure";
    attributes += `; SameSite=${sameSite}`;
    if (partitioned) attributes += "; Partitioned";
    return {
      start: `${name}=`,
      attributes,
      issueEnd: attributes + lifeFor(maxAge),
      clearEnd: `${attributes}; Max-Age=0`,
      revisionStart: `${name}-seen`,
      accountsStart: `${name}-accounts=`,
      keptAccountsStart: `${name}-accounts-kept=`,
      revisionEnd: attributes,
    };
  }
  const overHttps = style(true);
  const overHttp = style(false);
  const pick = (https: boolean) => ((secure === "auto" ? https : secure) ? overHttps : overHttp);
  const accountsStart = (https: boolean, isKept: boolean) =>
    isKept ? pick(https).keptAccountsStart : pick(https).accountsStart;

  return {
    find: (header, https) => (header ? findAll(header, pick(https).start) : []),
    issue(ticket, https, age = maxAge) {
      const { start, attributes, issueEnd } = pick(https);
      return start + ticket + (age === maxAge ? issueEnd : attributes + lifeFor(age));
    },
    clear: (https) => pick(https).start + pick(https).clearEnd,
    findRevisions: (header, https) =>
      header ? findAll(header, pick(https).revisionStart).filter((text) => REVISION.test(text)) : [],
    issueRevision: (text, https) => pick(https).revisionStart + text + pick(https).revisionEnd,
    findAccounts: (header, https, isKept) => (header ? findAll(header, accountsStart(https, isKept)) : []),
    issueAccounts: (text, https, age) =>
      accountsStart(https, age !== undefined) + text + pick(https).attributes + lifeFor(age),
    clearAccounts: (https, isKept) => accountsStart(https, isKept) + pick(https).clearEnd,
    clearRevision: (digit, https) => `${pick(https).revisionStart + digit}=${pick(https).clearEnd}`,
    maxAge,
    // What goes over https is never shorter.
    room: MAX_NAME_AND_VALUE - TICKET_CHARS - (overHttps.start + overHttps.issueEnd).length,
    followsProtocol: secure === "auto",
    warnOfProtocol: protocolWarnings((https) => ({
      name: pick(https).start.slice(0, -1),
      isSecure: pick(https) === overHttps,
    })),
  };
}

function lifeFor(maxAge: number | undefined): string {
  return maxAge === undefined ? "" : `; Max-Age=${Math.ceil(maxAge / 1000)}`;
}

/**
 * The values of every cookie whose text begins so, as in `"sid="`. Scans for one name instead of parsing every cookie: an
 * eighth of the time with six cookies in the header.
 */
export function findAll(header: string, start: string): string[] {
  const values: string[] = [];
  for (let at = header.indexOf(start); at !== -1; at = header.indexOf(start, at + 1)) {
    if (!beginsCookie(header, at)) continue;
    let end = header.indexOf(";", at);
    if (end === -1) end = header.length;
    values.push(unquoted(header.slice(at + start.length, end).trimEnd()));
  }
  return values;
}

/** Clients of RFC 2965, such as Java's, send a value in quotes. */
function unquoted(value: string): string {
  return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

/**
 * Only what follows a semicolon is a cookie of its own. What follows a space may be a part of another one's value, which
 * a subdomain or plain http may have set: taken for a cookie, it would get around the name's prefix.
 */
function beginsCookie(header: string, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && (header[before] === " " || header[before] === "\t")) before--;
  return before < 0 || header[before] === ";";
}

function defaultName(secure: boolean, domain: string | undefined, path: string): string {
  if (!secure) return "sid";
  return domain === undefined && path === "/" ? "__Host-sid" : "__Secure-sid";
}

function check({ name, secure = true, sameSite, path, domain, partitioned }: CookieOptions): void {
  // RFC 6265: a name is a token; path and domain are anything that can't end the attribute.
  if (name !== undefined && !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) {
    throw new OptionError("cookie.name", name, "use letters, digits, - and _ only.");
  }
  if (name !== undefined && name.length + TICKET_CHARS > MAX_NAME_AND_VALUE) {
    throw new OptionError(
      "cookie.name",
      `${name.slice(0, 20)}…`,
      `name and ticket must fit ${MAX_NAME_AND_VALUE} bytes.`,
    );
  }
  if (secure !== true && secure !== false && secure !== "auto") {
    throw new OptionError("cookie.secure", secure, 'use true, false or "auto".');
  }
  if (sameSite !== undefined && !["Strict", "Lax", "None"].includes(sameSite)) {
    throw new OptionError("cookie.sameSite", sameSite, 'use "Strict", "Lax" or "None".');
  }
  if (path !== undefined && !/^\/[!-:<-~]*$/.test(path)) {
    throw new OptionError("cookie.path", path, 'give a path that starts with "/".');
  }
  if (domain !== undefined && !/^[a-z\d.-]+$/i.test(domain)) {
    throw new OptionError("cookie.domain", domain, 'give a host name such as "example.com".');
  }
  if (name?.startsWith("__Host-") && (domain !== undefined || (path ?? "/") !== "/")) {
    throw new OptionError("cookie.name", name, "browsers refuse the __Host- prefix with a domain or a path.");
  }
  if (/^__(Host|Secure)-/.test(name ?? "") && secure !== true) {
    throw new OptionError("cookie.name", name, "browsers refuse this prefix unless secure is true.");
  }
  if (sameSite === "None" && secure !== true) {
    throw new OptionError("cookie.sameSite", sameSite, "browsers refuse SameSite=None unless secure is true.");
  }
  if (partitioned && secure !== true) {
    throw new OptionError("cookie.partitioned", partitioned, "browsers refuse Partitioned unless secure is true.");
  }
}

/** The most bytes of a session in a cookie. A long name, path or domain leaves less: see `room`. */
export const MAX_SEALED_SESSION = 2_900;

/** Bytes beside a session in the cookie: the instant at which it expires. */
export const EXPIRY_BYTES = 6;
