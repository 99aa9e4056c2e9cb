// Merge: a request's changes replayed over newer state, and the resolvers of conflicting keys (counter, append, union).

import { CLIENT, LEGACY, type SessionRecord } from "../records/record.ts";
import type { NewText } from "../records/record-shape.ts";
import type { Lifetime } from "../records/terms.ts";
import { liveText, plainText, timedText, untilOf } from "../records/timed-text.ts";
import { decode, encode } from "../records/value-codec.ts";

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

/** What one request did to one key, in a form that can be replayed over a newer state. */
export interface Change extends NewText {
  /** The key's text when this request first looked; undefined if it was not there. */
  readonly before: string | undefined;
  /** The functions that led from one to the other, if nothing but `update` changed the key. */
  readonly updates: readonly Update[] | undefined;
}

export type Update = (value: unknown) => unknown;

/** What one request did to a session. */
export interface Changes {
  /** True if everything that neither `keys` nor `kept` names is removed. */
  readonly cleared: boolean;
  readonly kept?: ReadonlySet<string> | undefined;
  /** At most one for each key. */
  readonly keys: readonly Change[];
  /** The new owner, if the request changed it. */
  readonly owner?: { readonly now: string | undefined };
  readonly terms?: TermChanges;
}

/** What the request changed of the session's own terms. */
export interface TermChanges {
  /** With `undefined`: the application's lifetime again. */
  readonly lifetime?: { readonly now: Lifetime | undefined };
  /** True: the user has just been authenticated. */
  readonly isAuthenticated?: true;
  /** True: the session gets another ticket, which was never renewed. */
  readonly hasNewTicket?: true;
  /** The owner's security stamp, with which the session is admitted. */
  readonly stamp?: string;
}

export const NO_CHANGES: Changes = { cleared: false, keys: [] };

/**
 * The keys whose changes would be applied twice if they were replayed over writes of unknown outcome, which touched
 * `unknownKeys`. Setting a value twice, or a union, does no harm.
 */
export function repeatedKeys({ keys }: Changes, unknownKeys: ReadonlySet<string>, { resolvers }: KeyRules): string[] {
  return keys
    .filter(({ key, after, updates }) => {
      const resolver = resolvers.get(key);
      const replays = updates !== undefined || (resolver !== undefined && resolver !== "union");
      return unknownKeys.has(key) && after !== undefined && replays;
    })
    .map(({ key }) => key);
}

/** What the application says of its keys: how changes merge, the text of a key's initial value, and the size of all. */
export interface KeyRules {
  readonly resolvers: ReadonlyMap<string, AnyResolver>;
  readonly initial: ReadonlyMap<string, string>;
  /** The most bytes of a session. What can't fit is refused before it is encoded. */
  readonly maxSize: number;
  /** The present by the store's clock, for keys with an end of their own. */
  now(): number;
}

export type AnyResolver = "counter" | "append" | "union" | ((base: unknown, mine: unknown, theirs: unknown) => unknown);

/** The texts to write over `theirs`. */
export function replay(
  { cleared, kept, keys }: Changes,
  theirs: SessionRecord | undefined,
  rules: KeyRules,
): readonly NewText[] {
  if (!cleared) return keys.map((change) => replayOne(change, theirs?.text(change.key), rules));
  // What is cleared has nothing to merge with.
  const texts: NewText[] = keys.map((change) =>
    replayOne(change, kept?.has(change.key) ? theirs?.text(change.key) : undefined, rules),
  );
  const stays = new Set([CLIENT, LEGACY, ...keys.map(({ key }) => key), ...(kept ?? [])]);
  for (const key of theirs?.names ?? []) if (!stays.has(key)) texts.push({ key, after: undefined });
  return texts;
}

/** The value of a key's text. Its initial value if there is no text, its end has come, or it can't be read. */
export function valueIn(key: string, text: string | undefined, rules: KeyRules, report?: UnreadableReport): unknown {
  const live = liveText(text, rules.now);
  if (live !== undefined) {
    try {
      return decode(plainText(live));
    } catch (error) {
      report?.reportUnreadable(key, error);
    }
  }
  const initial = rules.initial.get(key);
  return initial === undefined ? undefined : decode(initial);
}

export interface UnreadableReport {
  reportUnreadable(key: string, error: unknown): void;
}

function replayOne(change: Change, theirs: string | undefined, rules: KeyRules): NewText {
  const { key, before, after, updates } = change;
  if (theirs === before || after === undefined) return change;
  if (updates !== undefined) {
    const updated = updates.reduce((value, update) => update(value), valueIn(key, theirs, rules));
    const until = untilOf(liveText(theirs, rules.now) ?? after);
    return { key, after: timedText(encode(key, updated, rules.maxSize), until) };
  }
  const resolver = rules.resolvers.get(key);
  if (resolver === undefined) return change;
  const resolved = resolve(
    resolver,
    valueIn(key, before, rules),
    decode(plainText(after)),
    valueIn(key, theirs, rules),
  );
  return { key, after: timedText(encode(key, resolved, rules.maxSize), untilOf(after)) };
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
