// Tests of the checker on small histories: what it accepts, and which anomaly it finds.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Kind, Operation, Seen, SessionLimits } from "../history.ts";
import { check } from "./check.ts";
import type { Anomaly } from "./violation.ts";

/** An operation on the session `s` with the ticket `t`. Times are small numbers. */
function on(name: string, kind: Kind, [call, end]: [number, number], more: Partial<Operation> = {}): Operation {
  const answered: Partial<Operation> = Number.isFinite(end)
    ? { outcome: "done", id: "t", ...more, seen: { root: "s", ...more.seen } }
    : { outcome: "unknown" };
  const facts = { browser: "b", server: 0, mode: "merge", think: 0, save: true, sent: "t" } as const;
  return { ...facts, outcome: "done", name, kind, call, end, ...answered, ...pick(more) };
}

/** The parts of a request, which are known whatever its outcome is. */
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

type Case = [title: string, operations: Operation[], ...anomalies: Anomaly[]];

const cases: Record<string, Case[]> = {
  registers: [
    ["a read sees the write before it", [set("x", [2, 3]), read([4, 5], "x")]],
    [
      "parallel writes may be ordered either way",
      [set("x", [2, 6]), set("y", [3, 5]), read([7, 8], "x"), read([9, 10], "x")],
    ],
    [
      "two reads disagree about the order of parallel writes",
      [set("x", [2, 6]), set("y", [3, 5]), read([7, 8], "x"), read([9, 10], "y"), read([11, 12], "x")],
      "stale read",
    ],
    [
      "a read parallel to a write may see either value",
      [set("x", [2, 3]), set("y", [4, 9]), read([5, 6], "x"), read([7, 8], "y")],
    ],
    [
      "a read sees the old value after the new one was seen",
      [set("x", [2, 3]), set("y", [4, 9]), read([5, 6], "y"), read([7, 8], "x")],
      "stale read",
    ],
    ["a write is never seen", [set("x", [2, 3]), set("y", [4, 5]), read([6, 7], "x")], "lost update"],
    [
      "a write is seen only later",
      [set("x", [2, 3]), set("y", [4, 5]), read([6, 7], "x"), read([8, 9], "y")],
      "stale read",
    ],
    ["a first write is never seen", [set("x", [2, 3]), read([4, 5], null)], "lost update"],
    [
      "a write of unknown outcome may be seen later",
      [set("x", [2, 3]), set("y", [4, LOST]), read([6, 7], "x"), read([8, 9], "y")],
    ],
    ["a write of unknown outcome may never be seen", [set("x", [2, 3]), set("y", [4, LOST]), read([6, 7], "x")]],
    [
      "a write of unknown outcome is seen, then the old value",
      [set("x", [2, 3]), set("y", [4, LOST]), read([6, 7], "y"), read([8, 9], "x")],
      "stale read",
    ],
    ["a value is seen before its write", [set("x", [4, 5]), read([2, 3], "x")], "impossible value"],
    [
      "a value is seen whose write was refused",
      [set("x", [2, 3], { outcome: "dropped" }), read([4, 5], "x")],
      "impossible value",
    ],
    ["a value is seen that was never written", [read([2, 3], "x")], "impossible value"],
    ["a deleted value is not seen", [set("x", [2, 3]), remove("d", [4, 5]), read([6, 7], null)]],
    ["a deleted value is seen", [set("x", [2, 3]), remove("d", [4, 5]), read([6, 7], "x")], "lost update"],
    ["a delete parallel to a write may come first", [set("x", [2, 5]), remove("d", [3, 6]), read([7, 8], "x")]],
    ["a write after a delete is not seen", [remove("d", [2, 3]), set("x", [4, 5]), read([6, 7], null)], "lost update"],
    [
      "a delete of unknown outcome may explain an empty read",
      [set("x", [2, 3]), remove("d", [4, LOST]), read([6, 7], null)],
    ],
  ],
  counters: [
    [
      "each increment counts",
      [on("i", "increment", [2, 3]), on("j", "increment", [2, 5]), sees([4, 6], { n: 1 }), sees([7, 8], { n: 2 })],
    ],
    [
      "an increment is missing",
      [on("i", "increment", [2, 3]), on("j", "increment", [2, 5]), sees([7, 8], { n: 1 })],
      "lost update",
    ],
    [
      "an increment is missing for a while",
      [on("i", "increment", [2, 3]), sees([4, 5], { n: 0 }), sees([6, 7], { n: 1 })],
      "stale read",
    ],
    ["an increment counts twice", [on("i", "increment", [2, 3]), sees([4, 5], { n: 2 })], "impossible value"],
    [
      "an increment of unknown outcome may count later",
      [on("i", "increment", [2, LOST]), sees([4, 5], { n: 0 }), sees([6, 7], { n: 1 })],
    ],
    [
      "an increment of unknown outcome counts twice",
      [on("i", "increment", [2, LOST]), sees([4, 5], { n: 1 }), sees([6, 7], { n: 2 })],
      "impossible value",
    ],
    [
      "an increment of unknown outcome does not hide the loss of another",
      [on("i", "increment", [2, LOST]), sees([3, 4], { n: 1 }), on("j", "increment", [5, 6]), sees([7, 8], { n: 1 })],
      "lost update",
    ],
    [
      "a counter decreases",
      [on("i", "count", [2, 9]), sees([3, 4], { hits: 1 }), sees([5, 6], { hits: 0 })],
      "lost update",
    ],
  ],
  collections: [
    ["an item is added", [on("x", "append", [2, 3]), sees([4, 5], { log: ["s", "x"] })]],
    ["an item is missing", [on("x", "append", [2, 3]), sees([4, 5], { log: ["s"] })], "lost update"],
    [
      "an item is missing for a while",
      [on("x", "append", [2, 3]), sees([4, 5], { log: ["s"] }), sees([6, 7], { log: ["s", "x"] })],
      "stale read",
    ],
    ["an item is seen twice", [on("x", "append", [2, 3]), sees([4, 5], { log: ["s", "x", "x"] })], "impossible value"],
    [
      "an item of unknown outcome disappears after it was seen",
      [on("x", "append", [2, LOST]), sees([4, 5], { log: ["s", "x"] }), sees([6, 7], { log: ["s"] })],
      "lost update",
    ],
    [
      "two items are seen in two orders",
      [
        on("x", "append", [2, 3]),
        on("y", "append", [2, 3]),
        sees([4, 5], { log: ["s", "x", "y"] }),
        sees([6, 7], { log: ["s", "y", "x"] }),
      ],
      "lost update",
    ],
    [
      "a tag is removed",
      [on("x", "tag", [2, 3], { item: "k" }), on("y", "untag", [4, 5], { item: "k" }), sees([6, 7], { tags: [] })],
    ],
    [
      "a removed tag is seen",
      [on("x", "tag", [2, 3], { item: "k" }), on("y", "untag", [4, 5], { item: "k" }), sees([6, 7], { tags: ["k"] })],
      "lost update",
    ],
    ["an item is seen that was never added", [sees([4, 5], { tags: ["k"] })], "impossible value"],
  ],
  sessions: [
    ["a session ends with a logout", [logout([2, 3]), read([4, 5], null, nothing), census()]],
    ["a session is found after its logout", [logout([2, 3]), sees([4, 5], {})], "revived session"],
    ["a session may be found during its logout", [logout([2, 5]), sees([3, 6], {})]],
    [
      "a session may end by a logout of unknown outcome",
      [logout([2, LOST]), sees([4, 5], {}), read([6, 7], null, nothing)],
    ],
    ["a session is in the store after its logout", [logout([2, 3]), census("t")], "revived session"],
    ["a session is not found without a logout", [read([2, 3], null, nothing)], "lost session"],
    ["a session is missing from the store without a logout", [census()], "lost session"],
    ["a session is in the store", [census("t")]],
    [
      "a session continues with a new ticket after a login",
      [login([2, 3], "u"), sees([4, 5], {}, { sent: "u", id: "u" }), census("u")],
    ],
    ["a session is found with the old ticket after a login", [login([2, 3], "u"), sees([4, 5], {})], "revived session"],
    [
      "a logout with a ticket that was just replaced may end the session under its new one",
      [
        login([2, 3], "u"),
        on("logout", "logout", [3, 5], { ...nothing, sent: "t" }),
        read([6, 7], null, { ...nothing, sent: "u" }),
        census(),
      ],
    ],
    [
      "a logout with a replaced ticket ends no other session",
      [
        { ...begin, name: "z", got: "v" },
        login([2, 3], "u"),
        on("logout", "logout", [3, 5], { ...nothing, sent: "t" }),
        read([6, 7], null, { ...nothing, sent: "v" }),
      ],
      "lost session",
    ],
    [
      "a logout that found its session may end it under the ticket of a parallel login",
      [login([2, 6], "u"), logout([3, 5]), read([7, 8], null, { ...nothing, sent: "u" }), census()],
    ],
    [
      "a logout that found its session may end it under the newest of two parallel tickets",
      [
        logout([2, 9]),
        login([3, 4], "u"),
        on("login2", "login", [5, 6], { owner: "o", sent: "u", id: "u", got: "v" }),
        census(),
      ],
    ],
    [
      "a logout ends no session of a login that begins after it",
      [
        logout([2, 3]),
        on("login", "login", [4, 5], { owner: "o", got: "u" }),
        read([6, 7], null, { ...nothing, sent: "u" }),
      ],
      "revived session",
      "lost session",
    ],
    [
      "a revocation ends a session with each of its tickets",
      [login([2, 3], "u"), revoke([4, 5]), read([6, 7], null, { ...nothing, sent: "u" }), census()],
    ],
    [
      "a session is found after its revocation",
      [login([2, 3], "u"), revoke([4, 5]), sees([6, 7], {}, { sent: "u", id: "u" })],
      "revived session",
    ],
    [
      "a revocation may miss a parallel login",
      [login([2, 6], "u"), revoke([3, 4]), sees([7, 8], {}, { sent: "u", id: "u" })],
    ],
    ["another session is found", [sees([2, 3], {}, { id: "v" })], "foreign data"],
    ["the data of another session is found", [sees([2, 3], { root: "z" })], "foreign data", "impossible value"],
    [
      "an unsaved write to a session that ended meanwhile may be dropped",
      [
        set("x", [2, 5], { save: false }),
        login([3, 4], "u"),
        sees([6, 7], { registers: { a: null } }, { sent: "u", id: "u" }),
      ],
    ],
    [
      "a saved write to a session that ended meanwhile is lost",
      [set("x", [2, 5]), login([3, 4], "u"), sees([6, 7], { registers: { a: null } }, { sent: "u", id: "u" })],
      "lost update",
    ],
  ],
  "exclusive mode": [
    [
      "each turn follows the one before",
      [turn("x", [2, 3], 0, null), turn("y", [4, 5], 1, "x"), turn("z", [6, 7], 2, "y")],
    ],
    [
      "two turns follow the same one",
      [turn("x", [2, 5], 0, null, [2, 3]), turn("y", [2, 6], 0, null, [4, 5])],
      "lost update",
    ],
    ["two turns overlap", [turn("x", [2, 5], 0, null, [2, 4]), turn("y", [2, 6], 1, "x", [3, 5])], "lock overlap"],
    [
      "a turn of unknown outcome may have been taken",
      [turn("x", [2, 3], 0, null), on("u", "serial", [4, LOST]), turn("y", [5, 6], 2, "u")],
    ],
    ["a turn follows one that was never taken", [turn("y", [5, 6], 2, "u")], "impossible value"],
    [
      "half of a turn is seen",
      [turn("x", [2, 3], 0, null), sees([4, 5], { turn: { n: 1, last: "x" }, left: "x", right: null })],
      "torn read",
    ],
    [
      "an older turn is seen",
      [turn("x", [2, 3], 0, null), sees([4, 5], { turn: null, left: null, right: null })],
      "lost update",
    ],
  ],
};

for (const [subject, list] of Object.entries(cases)) {
  describe(subject, () => {
    for (const [title, operations, ...anomalies] of list) {
      test(title, () => {
        const { violations } = check({ operations: [begin, ...operations] });
        assert.deepEqual([...new Set(violations.map((violation) => violation.anomaly))], anomalies);
      });
    }
  });
}

describe("sessions that end by themselves", () => {
  const limited: [title: string, limits: SessionLimits, operations: Operation[], ...anomalies: Anomaly[]][] = [
    [
      "a session may end when no request used it",
      { idleTimeout: 10 },
      [read([2, 3], null), read([18, 19], null, nothing)],
    ],
    [
      "a session ends although a request has just used it",
      { idleTimeout: 10 },
      [read([2, 3], null), read([7, 8], null, nothing)],
      "lost session",
    ],
    [
      "a session ends while a request uses it",
      { idleTimeout: 10 },
      [read([2, 40], null), read([20, 21], null, nothing)],
      "lost session",
    ],
    [
      "a session ends although its request took longer than the idle timeout",
      { idleTimeout: 10 },
      [set("x", [2, 40]), read([41, 42], null, nothing)],
      "lost session",
    ],
    [
      "a session may end while answers are late",
      { idleTimeout: 10 },
      [read([2, 40], null), read([15, 18], null, { mode: "readonly" }), read([20, 21], null, nothing)],
    ],
    [
      "a request of unknown outcome keeps no session",
      { idleTimeout: 10 },
      [set("x", [2, LOST]), read([20, 21], null, nothing)],
    ],
    ["a session that no request used may be missing from the store", { idleTimeout: 10 }, [census()]],
    [
      "a session is missing from the store although a request has just used it",
      { idleTimeout: 10 },
      [read([87, 88], null), census()],
      "lost session",
    ],
    ["a session may end by its age", { absoluteTimeout: 1_020 }, [read([2, 19], null), read([20, 22], null, nothing)]],
    [
      "a session ends before its age",
      { absoluteTimeout: 1_020 },
      [read([2, 3], null), read([10, 11], null, nothing)],
      "lost session",
    ],
    [
      "a session may end by its age with its newest ticket",
      { absoluteTimeout: 1_020 },
      [login([2, 3], "u"), read([20, 22], null, { ...nothing, sent: "u" })],
    ],
  ];
  for (const [title, limits, operations, ...anomalies] of limited) {
    test(title, () => {
      const { violations } = check({ operations: [begin, ...operations], ...limits });
      assert.deepEqual([...new Set(violations.map((violation) => violation.anomaly))], anomalies);
    });
  }
});

test("losses that the store's guarantees allow are reported separately", () => {
  const missesBoth = sees([6, 7], { registers: { a: null, b: null } });
  const operations = [begin, set("x", [2, 3]), on("y", "set", [4, 5], { key: "b" }), missesBoth];
  assert.equal(check({ operations }).violations.length, 2);
  const { violations, lostByStore } = check({ operations, lossy: [[1.5, 3.5]] });
  assert.deepEqual(
    [violations, lostByStore].map((list) => list.map(({ operations }) => operations[0]!.name)),
    [["y"], ["x"]],
  );
});

test("reads of an earlier state that the store's guarantees allow are no violations, and writes still count", () => {
  const operations = [
    ...[begin, set("x", [2, 3]), read([4, 5], null), read([4, 5], null, nothing), set("y", [4, 5], { key: "b" })],
    ...[read([10, 11], "x"), sees([12, 13], { registers: { b: null } })],
  ];
  const anomalies = (stale: [number, number][]) =>
    check({ operations, stale }).violations.map(({ anomaly }) => anomaly);
  assert.deepEqual(anomalies([]).sort(), ["lost session", "lost update", "stale read"]);
  assert.deepEqual(anomalies([[3.5, 6]]), ["lost update"]);
});

test("a session that takes the place of one that the store was allowed to lose is another session", () => {
  const lost = { ...set("x", [2, 3], { ...nothing, got: "u" }), seen: { root: null } };
  const increment = on("i", "increment", [6, 7], { sent: "u", id: "u", seen: { root: "x", n: 0 } });
  const seen = sees([8, 9], { root: "x", log: [], registers: { a: "x" }, n: 1 }, { sent: "u", id: "u" });
  assert.deepEqual(check({ operations: [begin, lost, increment, seen], lossy: [[1.5, 3.5]] }).violations, []);
});

test("a consistent history of a hundred thousand operations on one session has no violations", () => {
  const operations = [begin];
  for (let i = 0; i < 50_000; i++) {
    operations.push(set(`x${i}`, [10 * i + 2, 10 * i + 7]), read([10 * i + 8, 10 * i + 9], `x${i}`));
  }
  assert.deepEqual(check({ operations }).violations, []);
});
