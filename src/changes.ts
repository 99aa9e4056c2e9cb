import { decode, encode } from "./codec.ts";
import type { NewText, SessionRecord } from "./record.ts";

/**
 * What becomes of a key that this request and another one changed at the same time.
 * - `"counter"`: both differences count (numbers).
 * - `"append"`: both requests' new items are kept, theirs first (arrays that only grow; else mine wins).
 * - `"union"`: what either added is in, what either removed is out (arrays as sets, or `Set`).
 * - a function of the value before, mine and theirs.
 *
 * Without a resolver the last writer wins.
 */
export type Resolver<Value> =
  | (Value extends number ? "counter" : never)
  | (Value extends readonly unknown[] ? "append" | "union" : never)
  | (Value extends ReadonlySet<unknown> ? "union" : never)
  | ((base: Value | undefined, mine: Value, theirs: Value | undefined) => Value);

/** A resolver for each key that needs one. */
export type Resolvers<Data> = { readonly [Key in keyof Data]?: Resolver<NonNullable<Data[Key]>> };

/** What one request did to one key, in a form that can be done again to a newer state. */
export interface Change extends NewText {
  /** The key's text when this request first looked; undefined if it was not there. */
  readonly before: string | undefined;
  /** The functions that led from one to the other, if nothing but `update` changed the key. */
  readonly updates: readonly Update[] | undefined;
}

export type Update = (value: unknown) => unknown;

/** What one request did to a session. */
export interface Changes {
  /** True if everything that `keys` does not name is removed. */
  readonly cleared: boolean;
  /** At most one for each key. */
  readonly keys: readonly Change[];
  /** The new owner, if the request changed it. */
  readonly owner?: { readonly now: string | undefined };
}

/**
 * The keys whose changes would count twice if they were made again where they may have been made already. A value that
 * is set, and a union, come to the same.
 */
export function uncountable({ keys }: Changes, mayBeDone: ReadonlySet<string>, { resolvers }: KeyRules): string[] {
  return keys
    .filter(({ key, after, updates }) => {
      const resolver = resolvers.get(key);
      const replays = updates !== undefined || (resolver !== undefined && resolver !== "union");
      return mayBeDone.has(key) && after !== undefined && replays;
    })
    .map(({ key }) => key);
}

/** What the application says of its keys: how changes merge, and the text of what a key is before it is set. */
export interface KeyRules {
  readonly resolvers: ReadonlyMap<string, AnyResolver>;
  readonly initial: ReadonlyMap<string, string>;
}

export type AnyResolver = "counter" | "append" | "union" | ((base: unknown, mine: unknown, theirs: unknown) => unknown);

/** What to write over `theirs`. */
export function replay(
  { cleared, keys }: Changes,
  theirs: SessionRecord | undefined,
  rules: KeyRules,
): readonly NewText[] {
  // What is cleared has nothing that a change could be merged with.
  const base = cleared ? undefined : theirs;
  const texts: NewText[] = keys.map((change) => replayOne(change, base?.text(change.key), rules));
  if (!cleared || theirs === undefined) return texts;
  const set = new Set(keys.map(({ key }) => key));
  for (const key of theirs.names) if (!set.has(key)) texts.push({ key, after: undefined });
  return texts;
}

/** The value of a key's text; its initial value if there is no text, or none that can be read. */
export function valueIn(key: string, text: string | undefined, rules: KeyRules, onUnreadable?: OnUnreadable): unknown {
  if (text !== undefined) {
    try {
      return decode(text);
    } catch (error) {
      onUnreadable?.(key, error);
    }
  }
  const initial = rules.initial.get(key);
  return initial === undefined ? undefined : decode(initial);
}

export type OnUnreadable = (key: string, error: unknown) => void;

function replayOne(change: Change, theirs: string | undefined, rules: KeyRules): NewText {
  const { key, before, after, updates } = change;
  if (theirs === before || after === undefined) return change;
  if (updates !== undefined) {
    const updated = updates.reduce((value, update) => update(value), valueIn(key, theirs, rules));
    return { key, after: encode(key, updated) };
  }
  const resolver = rules.resolvers.get(key);
  if (resolver === undefined) return change;
  const resolved = resolve(resolver, valueIn(key, before, rules), decode(after), valueIn(key, theirs, rules));
  return { key, after: encode(key, resolved) };
}

function resolve(resolver: AnyResolver, base: unknown, mine: unknown, theirs: unknown): unknown {
  switch (resolver) {
    case "counter":
      return typeof mine === "number" && typeof theirs === "number" ? theirs + mine - Number(base ?? 0) : mine;
    case "append":
      return Array.isArray(mine) && Array.isArray(theirs) ? append(base, mine, theirs) : mine;
    case "union":
      return isCollection(mine) && isCollection(theirs) ? union(base, mine, theirs) : mine;
    default:
      return resolver(base, mine, theirs);
  }
}

function append(base: unknown, mine: unknown[], theirs: unknown[]): unknown[] {
  const old = Array.isArray(base) ? base : [];
  const grew = mine.length >= old.length && old.every((item, i) => sameText(item, mine[i]));
  return grew ? [...theirs, ...mine.slice(old.length)] : mine;
}

type Collection = unknown[] | Set<unknown>;

function isCollection(value: unknown): value is Collection {
  return Array.isArray(value) || value instanceof Set;
}

function union(base: unknown, mine: Collection, theirs: Collection): Collection {
  const old = byText(isCollection(base) ? base : []);
  const result = byText(theirs);
  const kept = byText(mine);
  for (const text of old.keys()) if (!kept.has(text)) result.delete(text);
  for (const [text, item] of kept) if (!old.has(text)) result.set(text, item);
  return mine instanceof Set ? new Set(result.values()) : [...result.values()];
}

function byText(items: Collection): Map<string, unknown> {
  return new Map(Array.from(items, (item) => [encode("", item), item]));
}

function sameText(one: unknown, other: unknown): boolean {
  return encode("", one) === encode("", other);
}
