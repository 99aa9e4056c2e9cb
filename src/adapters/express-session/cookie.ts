// The cookie of one session: its attributes, when it expires, and how it is written and read.

/** The attributes of the session's cookie. */
export interface CookieOptions {
  /** Milliseconds that the cookie lasts from now. Null: until the browser closes. Default: null. */
  maxAge?: number | null | undefined;
  /** When it ends. Set `maxAge` instead. Of both, the last one in the object counts. */
  expires?: Date | null | false | undefined;
  /** Default: `/`. A request for another path has no session. */
  path?: string | undefined;
  /** Default: this host only. */
  domain?: string | undefined;
  /** Default: true. */
  httpOnly?: boolean | undefined;
  /** `"auto"`: as the request came. A cookie that is `Secure` is not set over plain http. Default: false. */
  secure?: boolean | "auto" | undefined;
  /** `true` is `"strict"`. `"auto"`: `None` over https, else `Lax`. Default: no attribute. */
  sameSite?: boolean | "lax" | "strict" | "none" | "auto" | undefined;
  partitioned?: boolean | undefined;
  priority?: "low" | "medium" | "high" | undefined;
}

/** What a store keeps of a cookie. Only attributes that were given are there. */
export interface CookieData extends Omit<CookieOptions, "maxAge" | "expires"> {
  originalMaxAge: number | null;
  expires?: Date | string | null | false | undefined;
}

export class Cookie {
  path: string | undefined = "/";
  /** When the cookie ends. Stores of others look at it under this name. */
  _expires: Date | null | false | undefined = null;
  /** The `maxAge` that it was given, and is given again when its session is used. */
  originalMaxAge: number | null;
  httpOnly: boolean | undefined = true;
  declare domain: string | undefined;
  declare secure: boolean | "auto" | undefined;
  declare sameSite: CookieOptions["sameSite"];
  declare partitioned: boolean | undefined;
  declare priority: CookieOptions["priority"];

  constructor(options?: CookieOptions | CookieData) {
    this.originalMaxAge = null;
    if (options !== undefined && options !== null) {
      if (typeof options !== "object") {
        throw new TypeError(
          "coatcheck: the argument options of Cookie is no object: give one, such as { maxAge: 60000 }.",
        );
      }
      // In their order: of `maxAge` and `expires` the last one counts. `data` is what a cookie gives, and not an option.
      for (const [name, value] of Object.entries(options)) {
        if (name !== "data") (this as Record<string, unknown>)[name] = value;
      }
    }
    if (this.originalMaxAge === undefined || this.originalMaxAge === null) {
      this.originalMaxAge = (this.maxAge as number | undefined) ?? null;
    }
  }

  get expires(): Date | null | false | undefined {
    return this._expires;
  }

  set expires(expires: Date | null | false | undefined) {
    this._expires = expires;
    this.originalMaxAge = this.maxAge as number | null;
  }

  /** The milliseconds that are left. Null: until the browser closes. */
  get maxAge(): number | null | undefined {
    const expires = this._expires;
    return expires instanceof Date ? expires.getTime() - Date.now() : (expires as null | undefined);
  }

  set maxAge(maxAge: number | Date | null | false | undefined) {
    if (typeof maxAge === "number") this.expires = new Date(Date.now() + maxAge);
    else if (!maxAge || maxAge instanceof Date) this.expires = maxAge;
    else
      throw new TypeError(
        "coatcheck: cookie.maxAge must be a number of milliseconds or null, and not a Date or a text.",
      );
  }

  /** What is stored. */
  get data(): CookieData {
    return {
      originalMaxAge: this.originalMaxAge,
      partitioned: this.partitioned,
      priority: this.priority,
      expires: this._expires,
      secure: this.secure,
      httpOnly: this.httpOnly,
      domain: this.domain,
      path: this.path,
      sameSite: this.sameSite,
    };
  }

  /** The value of a `Set-Cookie` header. */
  serialize(name: string, value: string): string {
    return setCookie(name, value, this.data);
  }

  toJSON(): CookieData {
    return this.data;
  }

  /** Begins the cookie's life again, after a request that used its session. */
  renew(): void {
    this.maxAge = this.originalMaxAge;
  }
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// What can't end the attribute.
const ATTRIBUTE = /^[\x20-\x3a\x3d-\x7e]*$/;
const DOMAIN = /^\.?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const PRIORITIES = { low: "Low", medium: "Medium", high: "High" };
const SAME_SITES = { lax: "Lax", strict: "Strict", none: "None" };

/**
 * The value of a `Set-Cookie` header, with the attributes of a cookie's data.
 * @throws TypeError naming the attribute that no cookie can have.
 */
export function setCookie(name: string, value: string, attributes: Partial<CookieData>): string {
  const { domain, path, expires, priority, sameSite } = attributes;
  if (!NAME.test(name)) throw invalid("name");
  let text = `${name}=${encodeURIComponent(value)}`;
  if (domain) text += `; Domain=${checked("domain", domain, DOMAIN)}`;
  if (path) text += `; Path=${checked("path", path, ATTRIBUTE)}`;
  if (expires) {
    if (!(expires instanceof Date) || Number.isNaN(expires.getTime())) throw invalid("expires");
    text += `; Expires=${expires.toUTCString()}`;
  }
  if (attributes.httpOnly) text += "; HttpOnly";
  if (attributes.secure) text += "; Secure";
  if (attributes.partitioned) text += "; Partitioned";
  if (priority) text += `; Priority=${oneOf("priority", priority, PRIORITIES)}`;
  if (sameSite) text += `; SameSite=${sameSite === true ? "Strict" : oneOf("sameSite", sameSite, SAME_SITES)}`;
  return text;
}

function checked(name: string, value: string, syntax: RegExp): string {
  if (!syntax.test(value)) throw invalid(name);
  return value;
}

function oneOf(name: string, value: unknown, words: Readonly<Record<string, string>>): string {
  const word = typeof value === "string" ? words[value.toLowerCase()] : undefined;
  if (word === undefined) throw invalid(name);
  return word;
}

/** Applications know these messages from the package cookie. */
function invalid(name: string): TypeError {
  return new TypeError(name === "name" ? "argument name is invalid" : `option ${name} is invalid`);
}

/** The value of the first cookie of this name in a Cookie header, decoded. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  if (!header) return undefined;
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + 1)) {
    if (!/(?:^|;)\s*$/.test(header.slice(Math.max(0, at - 20), at))) continue;
    const equals = /^\s*=/.exec(header.slice(at + name.length, at + name.length + 20));
    if (equals === null) continue;
    const start = at + name.length + equals[0].length;
    const end = header.indexOf(";", start);
    return decoded(header.slice(start, end === -1 ? undefined : end).trim());
  }
  return undefined;
}

/** A value that can't be decoded stays as it is. */
function decoded(text: string): string {
  const value = text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
