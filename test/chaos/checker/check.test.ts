import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Kind, Operation, Seen } from "../history.ts";
import { check } from "./check.ts";
import type { Wrong } from "./violation.ts";

/** An operation on the session `s` under the ticket `t`; times are small numbers. */
function on(name: string, kind: Kind, [call, end]: [number, number], more: Partial<Operation> = {}): Operation {
  const answered: Partial<Operation> = Number.isFinite(end)
    ? { outcome: "done", id: "t", ...more, seen: { root: "s", ...more.seen } }
    : { outcome: "unknown" };
  const facts = { browser: "b", server: 0, mode: "merge", think: 0, save: true, sent: "t" } as const;
  return { ...facts, outcome: "done", name, kind, call, end, ...answered, ...pick(more) };
}

/** What a request says is there whatever becomes of it. */
function pick({ key, item, owner, got, sent = "t" }: Partial<Operation>): Partial<Operation> {
  return { sent, ...(key && { key }), ...(item && { item }), ...(owner && { owner }), ...(got && { got }) };
}

const LOST = Infinity;
const begin: Operation = {
  ...{ name: "s", kind: "append", browser: "b", server: 0, mode: "merge", think: 0, save: true },
  ...{ call: 0, end: 1, outcome: "done", got: "t", seen: { root: null } },
};
const set = (name: string, times: [number, number], more?: Partial<Operation>) =>
  on(name, "set", times, { key: "a", ...more });
const remove = (name: string, times: [number, number]) => on(name, "delete", times, { key: "a" });
const read = (times: [number, number], a: string | null, more: Partial<Operation> = {}) =>
  on(`r${times[0]}`, "read", times, { ...more, seen: { registers: { a } } });
const sees = (times: [number, number], seen: Seen, more: Partial<Operation> = {}) =>
  on(`r${times[0]}`, "read", times, { ...more, seen: { log: ["s"], ...seen } });
const turn = (name: string, times: [number, number], n: number, last: string | null, hold: [number, number] = times) =>
  on(name, "serial", times, {
    mode: "exclusive",
    hold,
    seen: { turn: last === null ? null : { n, last }, left: last, right: last },
  });
const nothing = { id: undefined, seen: { root: null } } as unknown as Partial<Operation>;
const logout = (times: [number, number]) => on("logout", "logout", times);
const login = (times: [number, number], got?: string) =>
  on("login", "login", times, { owner: "o", ...(got && { got }) });
const revoke = (times: [number, number]): Operation => ({
  ...on("revoke", "revoke", times, { owner: "o" }),
  sent: undefined!,
  seen: {},
});
const census = (...ids: string[]): Operation => ({
  ...on("census", "census", [90, 91]),
  sent: undefined!,
  id: undefined!,
  census: ids,
});

type Case = [title: string, operations: Operation[], ...wrong: Wrong[]];

const cases: Record<string, Case[]> = {
  registers: [
    ["a write is seen", [set("x", [2, 3]), read([4, 5], "x")]],
    [
      "parallel writes may come in any order",
      [set("x", [2, 6]), set("y", [3, 5]), read([7, 8], "x"), read([9, 10], "x")],
    ],
    [
      "but in one",
      [set("x", [2, 6]), set("y", [3, 5]), read([7, 8], "x"), read([9, 10], "y"), read([11, 12], "x")],
      "stale read",
    ],
    ["a read beside a write sees either", [set("x", [2, 3]), set("y", [4, 9]), read([5, 6], "x"), read([7, 8], "y")]],
    [
      "but not the old one again",
      [set("x", [2, 3]), set("y", [4, 9]), read([5, 6], "y"), read([7, 8], "x")],
      "stale read",
    ],
    ["a write that nobody sees", [set("x", [2, 3]), set("y", [4, 5]), read([6, 7], "x")], "lost update"],
    [
      "a write that is seen late",
      [set("x", [2, 3]), set("y", [4, 5]), read([6, 7], "x"), read([8, 9], "y")],
      "stale read",
    ],
    ["a first write that nobody sees", [set("x", [2, 3]), read([4, 5], null)], "lost update"],
    [
      "an unknown write may be seen, also late",
      [set("x", [2, 3]), set("y", [4, LOST]), read([6, 7], "x"), read([8, 9], "y")],
    ],
    ["or never", [set("x", [2, 3]), set("y", [4, LOST]), read([6, 7], "x")]],
    [
      "but stays once it is seen",
      [set("x", [2, 3]), set("y", [4, LOST]), read([6, 7], "y"), read([8, 9], "x")],
      "stale read",
    ],
    ["a value before its time", [set("x", [4, 5]), read([2, 3], "x")], "impossible value"],
    ["a value that was refused", [set("x", [2, 3], { outcome: "dropped" }), read([4, 5], "x")], "impossible value"],
    ["a value from nowhere", [read([2, 3], "x")], "impossible value"],
    ["what is deleted is gone", [set("x", [2, 3]), remove("d", [4, 5]), read([6, 7], null)]],
    ["and does not come back", [set("x", [2, 3]), remove("d", [4, 5]), read([6, 7], "x")], "lost update"],
    ["a delete beside a write", [set("x", [2, 5]), remove("d", [3, 6]), read([7, 8], "x")]],
    ["a write after a delete", [remove("d", [2, 3]), set("x", [4, 5]), read([6, 7], null)], "lost update"],
    ["a delete explains what is empty", [set("x", [2, 3]), remove("d", [4, LOST]), read([6, 7], null)]],
  ],
  counters: [
    [
      "counts",
      [on("i", "increment", [2, 3]), on("j", "increment", [2, 5]), sees([4, 6], { n: 1 }), sees([7, 8], { n: 2 })],
    ],
    [
      "one is missing",
      [on("i", "increment", [2, 3]), on("j", "increment", [2, 5]), sees([7, 8], { n: 1 })],
      "lost update",
    ],
    [
      "one is missing for a while",
      [on("i", "increment", [2, 3]), sees([4, 5], { n: 0 }), sees([6, 7], { n: 1 })],
      "stale read",
    ],
    ["one too many", [on("i", "increment", [2, 3]), sees([4, 5], { n: 2 })], "impossible value"],
    ["unknown ones may count", [on("i", "increment", [2, LOST]), sees([4, 5], { n: 0 }), sees([6, 7], { n: 1 })]],
    [
      "but not twice",
      [on("i", "increment", [2, LOST]), sees([4, 5], { n: 1 }), sees([6, 7], { n: 2 })],
      "impossible value",
    ],
    [
      "nor do they hide another's loss",
      [on("i", "increment", [2, LOST]), sees([3, 4], { n: 1 }), on("j", "increment", [5, 6]), sees([7, 8], { n: 1 })],
      "lost update",
    ],
    [
      "a counter goes back",
      [on("i", "count", [2, 9]), sees([3, 4], { hits: 1 }), sees([5, 6], { hits: 0 })],
      "lost update",
    ],
  ],
  collections: [
    ["grow", [on("x", "append", [2, 3]), sees([4, 5], { log: ["s", "x"] })]],
    ["an item is missing", [on("x", "append", [2, 3]), sees([4, 5], { log: ["s"] })], "lost update"],
    [
      "an item is missing for a while",
      [on("x", "append", [2, 3]), sees([4, 5], { log: ["s"] }), sees([6, 7], { log: ["s", "x"] })],
      "stale read",
    ],
    ["an item is there twice", [on("x", "append", [2, 3]), sees([4, 5], { log: ["s", "x", "x"] })], "impossible value"],
    [
      "an unknown item goes again",
      [on("x", "append", [2, LOST]), sees([4, 5], { log: ["s", "x"] }), sees([6, 7], { log: ["s"] })],
      "lost update",
    ],
    [
      "two orders",
      [
        on("x", "append", [2, 3]),
        on("y", "append", [2, 3]),
        sees([4, 5], { log: ["s", "x", "y"] }),
        sees([6, 7], { log: ["s", "y", "x"] }),
      ],
      "lost update",
    ],
    [
      "a tag is taken off",
      [on("x", "tag", [2, 3], { item: "k" }), on("y", "untag", [4, 5], { item: "k" }), sees([6, 7], { tags: [] })],
    ],
    [
      "and sticks",
      [on("x", "tag", [2, 3], { item: "k" }), on("y", "untag", [4, 5], { item: "k" }), sees([6, 7], { tags: ["k"] })],
      "lost update",
    ],
    ["an unknown item of nobody", [sees([4, 5], { tags: ["k"] })], "impossible value"],
  ],
  sessions: [
    ["end", [logout([2, 3]), read([4, 5], null, nothing), census()]],
    ["come back after logout", [logout([2, 3]), sees([4, 5], {})], "revived session"],
    ["are seen while the logout runs", [logout([2, 5]), sees([3, 6], {})]],
    [
      "may have ended if the logout's outcome is unknown",
      [logout([2, LOST]), sees([4, 5], {}), read([6, 7], null, nothing)],
    ],
    ["are stored again", [logout([2, 3]), census("t")], "revived session"],
    ["vanish", [read([2, 3], null, nothing)], "lost session"],
    ["vanish from the store", [census()], "lost session"],
    ["are in the store", [census("t")]],
    ["go on under a new ticket", [login([2, 3], "u"), sees([4, 5], {}, { sent: "u", id: "u" }), census("u")]],
    ["go on under the old one", [login([2, 3], "u"), sees([4, 5], {})], "revived session"],
    [
      "are revoked under all tickets",
      [login([2, 3], "u"), revoke([4, 5]), read([6, 7], null, { ...nothing, sent: "u" }), census()],
    ],
    [
      "are there after a revocation",
      [login([2, 3], "u"), revoke([4, 5]), sees([6, 7], {}, { sent: "u", id: "u" })],
      "revived session",
    ],
    [
      "a login that a revocation may have missed",
      [login([2, 6], "u"), revoke([3, 4]), sees([7, 8], {}, { sent: "u", id: "u" })],
    ],
    ["another's is found", [sees([2, 3], {}, { id: "v" })], "foreign data"],
    ["another's data is found", [sees([2, 3], { root: "z" })], "foreign data", "impossible value"],
    [
      "a write to a session that ended meanwhile counts for nothing",
      [
        set("x", [2, 5], { save: false }),
        login([3, 4], "u"),
        sees([6, 7], { registers: { a: null } }, { sent: "u", id: "u" }),
      ],
    ],
    [
      "unless it was saved",
      [set("x", [2, 5]), login([3, 4], "u"), sees([6, 7], { registers: { a: null } }, { sent: "u", id: "u" })],
      "lost update",
    ],
  ],
  "exclusive mode": [
    ["turns follow each other", [turn("x", [2, 3], 0, null), turn("y", [4, 5], 1, "x"), turn("z", [6, 7], 2, "y")]],
    [
      "two turns from one state",
      [turn("x", [2, 5], 0, null, [2, 3]), turn("y", [2, 6], 0, null, [4, 5])],
      "lost update",
    ],
    ["two at once", [turn("x", [2, 5], 0, null, [2, 4]), turn("y", [2, 6], 1, "x", [3, 5])], "lock overlap"],
    [
      "an unknown turn may have been",
      [turn("x", [2, 3], 0, null), on("u", "serial", [4, LOST]), turn("y", [5, 6], 2, "u")],
    ],
    ["a turn from nowhere", [turn("y", [5, 6], 2, "u")], "impossible value"],
    [
      "half a turn",
      [turn("x", [2, 3], 0, null), sees([4, 5], { turn: { n: 1, last: "x" }, left: "x", right: null })],
      "torn read",
    ],
    ["an old turn", [turn("x", [2, 3], 0, null), sees([4, 5], { turn: null, left: null, right: null })], "lost update"],
  ],
};

for (const [subject, list] of Object.entries(cases)) {
  describe(subject, () => {
    for (const [title, operations, ...wrong] of list) {
      test(title, () => {
        const { violations } = check({ operations: [begin, ...operations] });
        assert.deepEqual([...new Set(violations.map((violation) => violation.wrong))], wrong);
      });
    }
  });
}

test("what the store may lose by its own promise is told apart", () => {
  const missesBoth = sees([6, 7], { registers: { a: null, b: null } });
  const operations = [begin, set("x", [2, 3]), on("y", "set", [4, 5], { key: "b" }), missesBoth];
  assert.equal(check({ operations }).violations.length, 2);
  const { violations, lostByStore } = check({ operations, lossy: [[1.5, 3.5]] });
  assert.deepEqual(
    [violations, lostByStore].map((list) => list.map(({ operations }) => operations[0]!.name)),
    [["y"], ["x"]],
  );
});

test("a hundred thousand operations on one session are decided at once", () => {
  const operations = [begin];
  for (let i = 0; i < 50_000; i++) {
    operations.push(set(`x${i}`, [10 * i + 2, 10 * i + 7]), read([10 * i + 8, 10 * i + 9], `x${i}`));
  }
  assert.deepEqual(check({ operations }).violations, []);
});
