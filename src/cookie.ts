import { type Duration, milliseconds } from "./duration.ts";
import { OptionError } from "./errors.ts";
import { TICKET_CHARS } from "./ticket.ts";

/** How the ticket travels. The defaults suit almost everybody. */
export interface CookieOptions {
  /**
   * Default: `__Host-sid`, the prefix by which browsers refuse a cookie that another host or plain http has set;
   * `__Secure-sid` with a `domain`, and `sid` where the cookie isn't `Secure`.
   */
  name?: string;
  /**
   * Send only over https. Default: true. `"auto"`: if the request came over https (also by `X-Forwarded-Proto`),
   * for development on plain http.
   */
  secure?: boolean | "auto";
  /** Which requests from other sites carry the cookie. Default: `"Lax"`. `"None"` needs `secure`. */
  sameSite?: "Strict" | "Lax" | "None";
  /** Default: `/`. */
  path?: string;
  /** Shares the cookie with subdomains. Default: this host only. */
  domain?: string;
  /** Keeps the cookie when the browser closes, for so long after its last renewal. Default: until the browser closes. */
  maxAge?: Duration;
  /** A jar of its own for each site that embeds this one (CHIPS). Default: false. Needs `secure`. */
  partitioned?: boolean;
}

/** Reads and writes the ticket's cookie, after RFC 6265bis. */
export interface CookieJar {
  /** The values under the cookie's name, in the header's order; several where cookies of several paths arrive. */
  find(header: string | null | undefined, secure: boolean): string[];
  /** The `Set-Cookie` value that hands out a ticket. */
  issue(ticket: string, secure: boolean): string;
  /** The `Set-Cookie` value that takes the ticket away. */
  clear(secure: boolean): string;
  /** The marks beside the ticket's cookie, each a digit, `=` and a text; see marks.ts. */
  findMarks(header: string | null | undefined, secure: boolean): string[];
  /** The `Set-Cookie` value that hands out a mark. */
  mark(mark: string, secure: boolean): string;
  /** The `Set-Cookie` value that takes the mark with this digit away. */
  clearMark(digit: string, secure: boolean): string;
  /** Milliseconds that a cookie lasts in the browser, or undefined: until it closes. */
  readonly maxAge: number | undefined;
}

// RFC 6265bis 5.6: browsers drop a cookie whose name and value are longer than this together.
const MAX_NAME_AND_VALUE = 4096;
const MARK = /^\d=[\w-]{5,20}$/;

export function cookieJar(options: CookieOptions = {}): CookieJar {
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
    const life = maxAge === undefined ? "" : `; Max-Age=${Math.ceil(maxAge / 1000)}`;
    return {
      start: `${name}=`,
      issueEnd: attributes + life,
      clearEnd: `${attributes}; Max-Age=0`,
      markStart: `${name}-seen`,
      markEnd: attributes,
    };
  }
  const overHttps = style(true);
  const overHttp = style(false);
  const pick = (https: boolean) => ((secure === "auto" ? https : secure) ? overHttps : overHttp);

  return {
    find: (header, https) => (header ? findAll(header, pick(https).start) : []),
    issue: (ticket, https) => pick(https).start + ticket + pick(https).issueEnd,
    clear: (https) => pick(https).start + pick(https).clearEnd,
    findMarks: (header, https) =>
      header ? findAll(header, pick(https).markStart).filter((mark) => MARK.test(mark)) : [],
    mark: (mark, https) => pick(https).markStart + mark + pick(https).markEnd,
    clearMark: (digit, https) => `${pick(https).markStart + digit}=${pick(https).clearEnd}`,
    maxAge,
  };
}

/** Scans for one name instead of parsing every cookie: an eighth of the time with six cookies in the header. */
function findAll(header: string, start: string): string[] {
  const values: string[] = [];
  for (let at = header.indexOf(start); at !== -1; at = header.indexOf(start, at + 1)) {
    if (!beginsCookie(header, at)) continue;
    let end = header.indexOf(";", at);
    if (end === -1) end = header.length;
    values.push(header.slice(at + start.length, end).trimEnd());
  }
  return values;
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
