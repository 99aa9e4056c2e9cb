// What the adapters' checks against cross-site request forgery share.

import { type AdapterSession, CoatcheckError, type CsrfOptions } from "../index.ts";
import { checkNames } from "../util/option-names.ts";
import { checkOrigins } from "../util/origins.ts";

export interface CsrfCheckOptions extends Pick<CsrfOptions, "origins"> {
  /** Where the request has its session. Default: `"session"`. */
  property?: string;
}

/** Checks a request that has its session in `place`. */
export type CsrfCheck = (method: string | undefined, place: object, parsed: Parsed) => void;

/** What the framework has parsed: a request may stand here itself. */
type Parsed = Pick<CsrfOptions, "body" | "query">;

/** @throws OptionError */
export function csrfCheck(options: CsrfCheckOptions): CsrfCheck {
  const { origins, property } = checkedOptions(options);
  return (method, place, { body, query }) =>
    sessionIn(method, place as Record<string, unknown>, property)?.checkCsrf({ body, query, origins });
}

/** @throws OptionError */
export function checkedOptions(options: CsrfCheckOptions): Required<CsrfCheckOptions> {
  checkNames("csrf()", options, { origins: true, property: "string" });
  const { origins = [], property = "session" } = options;
  checkOrigins(origins);
  return { origins, property };
}

/** Undefined: there is none, and the request must not have effects. @throws CoatcheckError if there should be one. */
export function sessionIn(
  method: string | undefined,
  place: { readonly [property: string]: unknown },
  property: string,
): AdapterSession | undefined {
  const session = place[property] as Partial<AdapterSession> | null | undefined;
  if (typeof session?.checkCsrf === "function") return session as AdapterSession;
  if (method === "GET" || method === "HEAD" || method === "OPTIONS") return undefined;
  throw new CoatcheckError(
    "COATCHECK_PROPERTY",
    `coatcheck: csrf() finds no session under "${property}". Put session() before it, and leave it out for routes whose mode is "none".`,
  );
}
