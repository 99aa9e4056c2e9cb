// What the core knows of another package's sessions: where they are found, read, written and ended.

import { OptionError } from "../errors.ts";
import { type Duration, milliseconds } from "../util/duration.ts";
import type { OptionNames } from "../util/option-names.ts";

/** What a session of another package becomes here. */
export interface Adopted {
  /** The keys of the session. */
  data: Record<string, unknown>;
  /** The id of its user, for `sessions.list` and `revokeAll`. Undefined: nobody is logged in. */
  owner?: string | undefined;
}

/** The options that every function of `coatcheck/legacy` has. */
export interface LegacyOptions {
  /**
   * How long the old package's session is kept up to date after the move, and written beside a session that begins here.
   * As long as it is, servers with the old package go on working, and the way back is open. Leave it out when they are
   * gone. Default: the old session ends with the move.
   */
  keep?: Duration;
  /**
   * What a session of the old package becomes. Default: all of its keys, and as owner the user that Passport has logged in.
   */
  adopt?: (old: Record<string, unknown>) => Adopted;
  /** The way back, for `keep`: the old package's keys. Needed if there is `adopt`. Default: the session's data. */
  restore?: (session: Adopted) => Record<string, unknown>;
}

export const LEGACY_NAMES: OptionNames<LegacyOptions> = { keep: true, adopt: true, restore: true };

/** A session with more than this share of its time left needs no write to last. */
export const EXTEND_BELOW = 0.9;

/** The attributes of the old package's cookie, as the application gave them to that package. */
export interface LegacyCookieOptions {
  /** How long the browser keeps it: milliseconds or seconds, as the package counts. Default: until it closes. */
  maxAge?: number | null | undefined;
  /** Default: `/`. */
  path?: string | undefined;
  /** Default: this host only. */
  domain?: string | undefined;
  /** Default: as the package has it. */
  secure?: boolean | "auto" | undefined;
  /** Default: true. */
  httpOnly?: boolean | undefined;
  /** Default: as the package has it. */
  sameSite?: boolean | "lax" | "strict" | "none" | "auto" | undefined;
  partitioned?: boolean | undefined;
}

/** Those that a package has among its own options. */
export const COOKIE_NAMES = {
  path: "string",
  domain: "string",
  secure: true,
  httpOnly: "boolean",
  sameSite: true,
  partitioned: "boolean",
} as const;

/** A session as another package keeps it. */
export interface OldSession {
  /** Without what belongs to the package itself, such as `cookie`. */
  readonly data: Readonly<Record<string, unknown>>;
  /** When it ends, in milliseconds since 1970. Undefined: it does not say. */
  readonly endsAt: number | undefined;
  /** True if each use moves its end on. */
  readonly rolls: boolean;
  /** What the package keeps beside the data, for `write`. */
  readonly meta: unknown;
}

/** What `write` has made. */
export interface WrittenSession {
  /** What `find` gives for it. */
  readonly found: string;
  /** The `Set-Cookie` values that the browser needs. */
  readonly cookies: readonly string[];
}

/** Sessions of one other package. The functions of `coatcheck/legacy` make it. Every method may reject if a store fails. */
export interface LegacySource {
  /** The package's name. */
  readonly package: string;
  /** True if the browser carries the session itself, and false if the package has a store. */
  readonly inCookie: boolean;
  /** Milliseconds for which the old session is kept. Undefined: it ends with the move. */
  readonly keepFor: number | undefined;
  /** Those of the package's cookie. */
  readonly attributes: LegacyCookieOptions;
  adopt(old: Record<string, unknown>): Adopted;
  restore(session: Adopted): Record<string, unknown>;
  /** True if a Cookie header has something under the package's name. */
  isPresent(header: string): boolean;
  /** What names the session in a Cookie header: its id, or the cookie's text. Undefined: there is none, or it is forged. */
  find(header: string): string | undefined;
  /** What is the same for each spelling of what was found: what was signed or sealed, and no more. */
  identity(found: string): string;
  /** Undefined: it is forged, or has ended. */
  read(found: string): Promise<OldSession | undefined>;
  /** Without `found`, a new session. `former`: what `read` gave. */
  write(
    data: Record<string, unknown>,
    found: string | undefined,
    former: OldSession | undefined,
  ): Promise<WrittenSession>;
  /** Extends the life of a session in a store. */
  touch(found: string, old: OldSession): Promise<void>;
  /** Ends the session in the package's store. */
  end(found: string): Promise<void>;
  /** The `Set-Cookie` values that give the browser the cookie of an id. */
  cookies(found: string): readonly string[];
  /** The `Set-Cookie` values that remove the package's cookies. */
  clear(): readonly string[];
}

/** The part of a source that each package has of its own. */
export type SourceFormat = Omit<LegacySource, "adopt" | "restore" | "keepFor" | "identity"> & Partial<LegacySource>;

/** @throws OptionError */
export function legacySource(options: LegacyOptions, format: SourceFormat): LegacySource {
  const { keep, adopt = adoptAll, restore = ({ data }: Adopted) => data } = options;
  for (const [name, value] of Object.entries({ adopt, restore })) {
    if (typeof value !== "function") throw new OptionError(name, value, "give a function.");
  }
  if (keep !== undefined && options.adopt !== undefined && options.restore === undefined) {
    throw new OptionError(
      "restore",
      undefined,
      "keep writes the old session: give the way back from what adopt gives.",
    );
  }
  const identity = (found: string) => found;
  return { identity, ...format, adopt, restore, keepFor: keep === undefined ? undefined : milliseconds("keep", keep) };
}

function adoptAll(data: Record<string, unknown>): Adopted {
  const user = (data as { passport?: { user?: unknown } | null }).passport?.user;
  const id = typeof user === "object" && user !== null ? (user as { id?: unknown }).id : user;
  const isId = typeof id === "number" || (typeof id === "string" && id !== "");
  return isId ? { data, owner: String(id) } : { data };
}
