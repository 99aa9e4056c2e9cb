// Merges what two requests made of one session: each keeps the keys that it changed.

type Texts = Map<string, string>;

/**
 * The JSON of a session with what `mine` changed since `base`, over `theirs`. Keys are compared as a whole, and a key that
 * both have changed is mine. The cookie's end is the later one, since both have used the session.
 */
export function mergeSessions(base: string | undefined, mine: string, theirs: string): string {
  const before = textsOf(base ?? "{}");
  const after = textsOf(mine);
  const merged = textsOf(theirs);
  const cookie = mergeCookies(before.get("cookie"), after.get("cookie"), merged.get("cookie"));
  for (const [key, text] of after) if (before.get(key) !== text) merged.set(key, text);
  for (const key of before.keys()) if (!after.has(key)) merged.delete(key);
  if (cookie !== undefined) merged.set("cookie", cookie);
  return `{${Array.from(merged, ([key, text]) => `${JSON.stringify(key)}:${text}`).join(",")}}`;
}

function textsOf(json: string): Texts {
  return new Map(Object.entries(JSON.parse(json) as object).map(([key, value]) => [key, JSON.stringify(value)]));
}

interface CookieJson {
  expires?: string | null;
}

function mergeCookies(base = "{}", mine: string | undefined, theirs: string | undefined): string | undefined {
  if (mine === undefined || theirs === undefined) return mine ?? theirs;
  const parsed = [base, mine, theirs].map((text) => JSON.parse(text) as CookieJson) as [
    CookieJson,
    CookieJson,
    CookieJson,
  ];
  const [before, after, other] = parsed;
  if (withoutEnd(before) !== withoutEnd(after) || !after.expires || !other.expires) return mine;
  const isLater = Date.parse(after.expires) > Date.parse(other.expires);
  return JSON.stringify({ ...other, expires: isLater ? after.expires : other.expires });
}

function withoutEnd(cookie: CookieJson): string {
  return JSON.stringify({ ...cookie, expires: undefined });
}
