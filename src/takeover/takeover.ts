// Takes over the sessions of other packages, for all requests of an application.

import type { CookieOptions } from "../cookies/session-cookie.ts";
import type { LegacyCookieOptions, LegacySource } from "../legacy/source.ts";
import type { SessionRecord } from "../records/record.ts";
import { Adoption, type TakeoverContext } from "./adoption.ts";
import { linkOf } from "./link.ts";
import { RequestTakeover } from "./request-takeover.ts";

export class Takeover {
  readonly #context: TakeoverContext;
  readonly #sources: readonly LegacySource[];
  readonly #adoption: Adoption;
  /** Without their cookie beside ours, their session was logged out. */
  readonly #tellLogout: ReadonlySet<LegacySource>;
  /** True if sessions have copies, so that each request has something to do. */
  readonly #keeps: boolean;

  /** `cookie`: the options of our own. */
  constructor(context: TakeoverContext, sources: readonly LegacySource[], cookie: CookieOptions) {
    this.#context = context;
    this.#tellLogout = new Set(sources.filter(({ attributes }) => goesWith(attributes, cookie)));
    this.#sources = sources;
    this.#adoption = new Adoption(context);
    this.#keeps = sources.some(({ keepFor }) => keepFor !== undefined);
  }

  /** Ends the copy of a session that is revoked, unless only its browser has it. A failure is reported. */
  async endCopy(record: SessionRecord): Promise<void> {
    const link = linkOf(record);
    const source = this.#sources.find((one) => one.package === link?.package);
    if (source !== undefined && link?.id !== undefined) await this.#adoption.end(source, link.id);
  }

  /** Undefined: this request has nothing to do with other packages. */
  of(header: string | null | undefined): RequestTakeover | undefined {
    const isConcerned = this.#keeps || (header && this.#sources.some((source) => source.find(header) !== undefined));
    if (!isConcerned) return undefined;
    return new RequestTakeover(this.#context, this.#adoption, this.#sources, this.#tellLogout, header ?? "");
  }
}

/** True if each request that has our cookie has the old one, too, unless that was removed by an old server. */
function goesWith(old: LegacyCookieOptions, ours: CookieOptions): boolean {
  const { secure: oursIsSecure = true } = ours;
  return (
    (old.path ?? "/") === "/" &&
    (old.domain ?? undefined) === ours.domain &&
    old.httpOnly !== false && // what scripts may remove tells nothing
    (old.secure !== true || oursIsSecure === true) &&
    ((old.sameSite !== true && old.sameSite !== "strict") || ours.sameSite === "Strict") &&
    (old.partitioned ?? false) === (ours.partitioned ?? false)
  );
}
