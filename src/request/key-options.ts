// The options of calls that name keys, checked: `keep` of `regenerate`, and `ttl` of `set`.

import { OptionError } from "../errors.ts";
import type { RegenerateOptions, SetOptions } from "../session.ts";
import { milliseconds } from "../util/duration.ts";
import { checkNames } from "../util/option-names.ts";

/** Undefined: all keys stay. @throws OptionError */
export function keptKeys(options: RegenerateOptions | undefined): ReadonlySet<string> | undefined {
  if (options === undefined) return undefined;
  checkNames("regenerate()", options, { keep: true });
  const { keep } = options;
  if (keep === undefined) return undefined;
  if (!Array.isArray(keep) || !keep.every((key) => typeof key === "string")) {
    throw new OptionError("keep", keep, 'give a list of keys, such as keep: ["cart"].');
  }
  return new Set(keep);
}

/** Milliseconds. Undefined: as long as the session. @throws OptionError */
export function ttlOf(options: SetOptions): number | undefined {
  checkNames("set()", options, { ttl: true });
  return options.ttl === undefined ? undefined : milliseconds("ttl", options.ttl);
}
