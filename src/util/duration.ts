// Spans of time as options give them.

import { OptionError } from "../errors.ts";

/** A span of time: a number of milliseconds, or a number with a unit, as in `"500ms"`, `"90s"`, `"20m"`, `"8h"`, `"30d"`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Milliseconds of a duration.
 * @throws OptionError naming `option`, unless the duration is a positive, finite span.
 */
export function milliseconds(option: string, duration: Duration): number {
  const match = typeof duration === "string" ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : undefined;
  const span = match ? Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : duration;
  if (typeof span !== "number" || !(span > 0 && span <= Number.MAX_SAFE_INTEGER)) {
    throw new OptionError(
      option,
      duration,
      'give milliseconds as a number, or a span such as "90s", "20m", "8h", "30d".',
    );
  }
  return Math.round(span);
}
