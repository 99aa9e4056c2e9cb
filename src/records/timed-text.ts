// The text of a value that ends before its session: set with a ttl.

/* "@", the instant in milliseconds since 1970, ":", and the value's text. No other text begins with "@". */

const MARK = "@";
export const MARK_BYTE = 0x40;

/** The text of a value that ends at `until`. Undefined: it has no end of its own. */
export function timedText(text: string, until: number | undefined): string {
  return until === undefined ? text : `${MARK + until}:${text}`;
}

/** When the value ends. Undefined: it has no end of its own. */
export function untilOf(text: string | undefined): number | undefined {
  return text?.startsWith(MARK) ? Number(text.slice(1, text.indexOf(":"))) : undefined;
}

/** The value's own text. */
export function plainText(text: string): string {
  return text.startsWith(MARK) ? text.slice(text.indexOf(":") + 1) : text;
}

/** The text, unless its end has come. */
export function liveText(text: string | undefined, now: () => number): string | undefined {
  const until = untilOf(text);
  return until === undefined || until > now() ? text : undefined;
}
