// Tests of merging: parallel requests against a plain model, and the rules of a conflict.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { replay } from "../../src/commit/merge.ts";
import type { Session } from "../../src/index.ts";
import { type RecordMeta, SessionRecord } from "../../src/records/record.ts";
import { createSessions, type Sessions } from "../../src/sessions.ts";
import fc, { runs } from "../support/random.ts";
import { SECRET, watched } from "../support/stores.ts";

type Data = Record<string, unknown>;

/** The resolvers of keys, the same for the model and for the sessions. */
const merge = {
  counter: "counter",
  append: "append",
  union: "union",
  set: "union",
  highest: (_base: unknown, mine: unknown, theirs: unknown) => (Number(mine) > Number(theirs ?? 0) ? mine : theirs),
} as const;

/** Servers that share a store. Their commits don't queue behind each other. */
function farm(size: number): { servers: Sessions<Data>[]; store: ReturnType<typeof watched> } {
  const store = watched();
  const options = { store, secret: SECRET, sweepInterval: false, merge: merge as object } as const;
  return { servers: Array.from({ length: size }, () => createSessions<Data>(options)), store };
}

async function begin(server: Sessions<Data>, data: Data): Promise<string> {
  const session = await server.open(undefined);
  session.set("seed", 0);
  for (const [key, value] of Object.entries(data)) session.set(key, value);
  const [cookie] = await session.commit();
  return cookie!.split(";")[0]!;
}

async function contents(server: Sessions<Data>, cookie: string): Promise<Map<string, unknown>> {
  const session = await server.open(cookie, { mode: "readonly" });
  return new Map(session.keys().map((key) => [key, structuredClone(session.get(key))]));
}

// --- The model: plain values, no texts, no records, no versions. -------------------------------------------------------

type ItemOp = { op: "concat" | "push" | "addToSet" | "removeFromSet"; key: string; item: string };

type Op =
  | ItemOp
  | { op: "set"; key: string; value: unknown }
  | { op: "delete"; key: string }
  | { op: "add"; key: string; by: number }
  | { op: "double"; key: string }
  | { op: "clear" };

type Update = (value: unknown) => unknown;

/** The update function of an operation. It is pure, and takes any value that other operations leave under the key. */
function updateOf(op: Op): Update | undefined {
  switch (op.op) {
    case "add":
      return (value) => (typeof value === "number" ? value : 0) + op.by;
    case "double":
      return (value) => 2 * (typeof value === "number" ? value : 1);
    case "concat":
      return (value) => [...(Array.isArray(value) ? value : []), op.item];
    default:
      return undefined;
  }
}

/** One request of the model. */
class ModelRequest {
  base: Map<string, unknown>;
  view: Map<string, unknown>;
  cleared = false;
  /** The update functions of each changed key. Undefined if it was changed in another way, too. */
  updates = new Map<string, Update[] | undefined>();

  constructor(state: Map<string, unknown>) {
    this.base = structuredClone(state);
    this.view = structuredClone(state);
  }

  run(op: Op): void {
    if (op.op === "clear") {
      this.cleared ||= this.base.size > 0;
      this.base = new Map();
      this.view = new Map();
      this.updates = new Map();
      return;
    }
    const { key } = op;
    const old = this.view.get(key);
    const update = updateOf(op);
    if (update !== undefined) {
      const before = this.updates.has(key) ? this.updates.get(key) : [];
      this.updates.set(key, before && [...before, update]);
      this.view.set(key, update(old));
      return;
    }
    this.updates.set(key, undefined);
    if (op.op === "delete") this.view.delete(key);
    else if (op.op === "set") this.view.set(key, structuredClone(op.value));
    else this.changeInPlace(op as ItemOp, old);
  }

  changeInPlace({ op, key, item }: ItemOp, old: unknown): void {
    if (op === "push") this.view.set(key, [...(Array.isArray(old) ? old : []), item]);
    else if (op === "addToSet") this.view.set(key, new Set(old instanceof Set ? old : []).add(item));
    else if (old instanceof Set) this.view.set(key, new Set([...old].filter((one) => one !== item)));
  }

  commitTo(state: Map<string, unknown>): void {
    if (this.cleared) state.clear();
    for (const key of new Set([...this.base.keys(), ...this.view.keys()])) {
      const [base, mine, theirs] = [this.base.get(key), this.view.get(key), state.get(key)];
      if (same(this.base, this.view, key)) continue; // this request has not changed it
      const isUntouchedByOthers = same(this.base, state, key);
      const updates = this.updates.get(key);
      const resolver = Object.hasOwn(merge, key) ? merge[key as keyof typeof merge] : undefined;
      if (!this.view.has(key)) state.delete(key);
      else if (isUntouchedByOthers) state.set(key, mine);
      else if (updates !== undefined)
        state.set(key, updates.reduce((value, update) => update(value), theirs)); // biome-ignore format: one line a case
      else if (resolver !== undefined) state.set(key, merged(resolver, base, mine, theirs));
      else state.set(key, mine);
    }
  }
}

function same(one: Map<string, unknown>, other: Map<string, unknown>, key: string): boolean {
  return one.has(key) === other.has(key) && isDeepStrictEqual(listed(one.get(key)), listed(other.get(key)));
}

/** The order of a Set counts, too: an application sees it when it iterates. */
function listed(value: unknown): unknown {
  return value instanceof Set ? ["Set", ...value] : value;
}

function merged(resolver: (typeof merge)[keyof typeof merge], base: unknown, mine: unknown, theirs: unknown): unknown {
  if (typeof resolver === "function") return resolver(base, mine, theirs);
  if (resolver === "counter") {
    if (typeof mine !== "number" || typeof theirs !== "number") return mine;
    return theirs + (mine - (typeof base === "number" ? base : 0));
  }
  if (resolver === "append") {
    if (!Array.isArray(mine) || !Array.isArray(theirs)) return mine;
    const old = Array.isArray(base) ? base : [];
    const onlyGrew = isDeepStrictEqual(mine.slice(0, old.length), old);
    return onlyGrew ? theirs.concat(mine.slice(old.length)) : mine;
  }
  const items = (value: unknown): unknown[] => (Array.isArray(value) || value instanceof Set ? [...value] : []);
  const isCollection = (value: unknown) => Array.isArray(value) || value instanceof Set;
  if (!isCollection(mine) || !isCollection(theirs)) return mine;
  const added = items(mine).filter((item) => !items(base).includes(item));
  const removed = items(base).filter((item) => !items(mine).includes(item));
  const union = new Set([...items(theirs).filter((item) => !removed.includes(item)), ...added]);
  return mine instanceof Set ? union : [...union];
}

// --- The same operations on a session. --------------------------------------------------------------------------------

function runOn(session: Session<Data>, op: Op): void {
  const update = updateOf(op);
  if (op.op === "clear") session.clear();
  else if (update !== undefined) session.update(op.key, update);
  else if (op.op === "delete") session.delete(op.key);
  else if (op.op === "set") session.set(op.key, structuredClone(op.value));
  else changeInPlace(session, op as ItemOp);
}

function changeInPlace({ data }: Session<Data>, { op, key, item }: ItemOp): void {
  const value = data[key];
  if (op === "removeFromSet") {
    if (value instanceof Set) value.delete(item);
  } else if (op === "push") {
    if (Array.isArray(value)) value.push(item);
    else data[key] = [item];
  } else {
    if (value instanceof Set) value.add(item);
    else data[key] = new Set([item]);
  }
}

const NUMBERS = ["n", "counter", "highest"];
const LISTS = ["list", "append", "union"];

const item = fc.constantFrom("p", "q", "r", "s", "t");
const number = fc.integer({ min: -3, max: 9 });
const list = fc.array(item, { maxLength: 3 });
const numberKey = fc.constantFrom(...NUMBERS);
const listKey = fc.constantFrom(...LISTS);
const anyKey = fc.constantFrom(...NUMBERS, ...LISTS, "set", "x", "__proto__", "constructor");

const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant("set" as const), key: numberKey, value: number }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("set" as const), key: listKey, value: list }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant("set" as const),
      key: fc.constantFrom("x", "__proto__", "constructor"),
      value: fc.constantFrom<unknown>(1, "text", null, undefined, { deep: [1] }, new Date(0)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("delete" as const), key: anyKey }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("add" as const), key: numberKey, by: number }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("double" as const), key: numberKey }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("concat" as const), key: listKey, item }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("push" as const), key: listKey, item }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("addToSet" as const), key: fc.constant("set"), item }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("removeFromSet" as const), key: fc.constant("set"), item }) },
  { weight: 1, arbitrary: fc.constant({ op: "clear" as const }) },
);

/** A step of one of the parallel requests. The first opens it; a commit ends it, and the next step opens another. */
const step = fc.record({
  request: fc.nat(3),
  does: fc.oneof({ weight: 5, arbitrary: op }, { weight: 2, arbitrary: fc.constant("commit" as const) }),
});

const start = fc.record(
  {
    n: number,
    counter: number,
    highest: number,
    list,
    append: list,
    union: fc.uniqueArray(item, { maxLength: 3 }),
    set: fc.uniqueArray(item, { maxLength: 3 }).map((items) => new Set(items)),
    x: fc.constant("before"),
  },
  { requiredKeys: [] },
);

describe("parallel requests", () => {
  test("leave the same state as the plain model, in whatever order they commit, on one server and on several", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(1, 3), start, fc.array(step, { maxLength: 40 }), async (size, start, steps) => {
        const { servers } = farm(size);
        const cookie = await begin(servers[0]!, start);
        const state = new Map<string, unknown>(Object.entries({ seed: 0, ...structuredClone(start) }));
        const running = new Map<number, { session: Session<Data>; model: ModelRequest }>();
        const server = (request: number) => servers[request % size]!;

        const commit = async (request: number) => {
          const { session, model } = running.get(request)!;
          running.delete(request);
          await session.commit();
          model.commitTo(state);
          assert.deepEqual(sorted(await contents(server(request), cookie)), sorted(state));
        };
        for (const { request, does } of steps) {
          if (!running.has(request)) {
            running.set(request, { session: await server(request).open(cookie), model: new ModelRequest(state) });
          }
          if (does === "commit") {
            await commit(request);
            continue;
          }
          const { session, model } = running.get(request)!;
          runOn(session, does);
          model.run(does);
          // A request sees the state that it opened, with its own changes.
          assert.deepEqual(new Set(session.keys()), new Set(model.view.keys()));
          for (const [key, value] of model.view) assert.deepEqual(session.get(key), value, key);
        }
        for (const request of [...running.keys()]) await commit(request);
        for (const one of servers) assert.deepEqual(sorted(await contents(one, cookie)), sorted(state));
      }),
      { numRuns: runs(400) },
    );
  });

  /** Makes requests that overlap, at a store that answers some calls late. */
  async function overlapping(
    count: number,
    data: Data,
    work: (session: Session<Data>, i: number) => unknown,
    servers = 3,
  ): Promise<Map<string, unknown>> {
    const { servers: sessions, store } = farm(servers);
    const cookie = await begin(sessions[0]!, data);
    let turn = 0;
    store.before = () => new Promise((resolve) => (turn++ % 3 === 0 ? setImmediate(resolve) : resolve(undefined)));
    await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const session = await sessions[i % servers]!.open(cookie);
        await work(session, i);
        await session.commit();
      }),
    );
    return contents(sessions[0]!, cookie);
  }

  const noise = fc.array(fc.constantFrom("save", "wait", "reload other key"), { maxLength: 4 });
  async function perform(session: Session<Data>, noises: string[]) {
    for (const noise of noises) {
      if (noise === "save") await session.save();
      else if (noise === "wait") await new Promise(setImmediate);
      else session.get("seed");
    }
  }

  test("never lose changes to different keys", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(noise, { minLength: 2, maxLength: 10 }), async (noises) => {
        const left = await overlapping(noises.length, {}, async (session, i) => {
          session.set(`mine ${i}`, i);
          await perform(session, noises[i]!);
          session.data[`later ${i}`] = [i];
          await perform(session, noises[i]!);
          (session.data[`later ${i}`] as number[]).push(i);
        });
        for (let i = 0; i < noises.length; i++) {
          assert.equal(left.get(`mine ${i}`), i);
          assert.deepEqual(left.get(`later ${i}`), [i, i]);
        }
      }),
      { numRuns: runs(60) },
    );
  });

  test("never lose an increment or apply one twice, however often they save", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(noise, { minLength: 2, maxLength: 10 }), fc.integer(), async (noises, from) => {
        const left = await overlapping(noises.length, { n: from, counter: from }, async (session, i) => {
          for (let times = 0; times < 3; times++) {
            session.update("n", (n) => (n as number) + 1);
            session.update("fresh", (n) => ((n as number) ?? 0) + 1);
            session.update("log", (log) => [...((log as string[]) ?? []), `${i}.${times}`]);
            session.data.counter = (session.data.counter as number) + 1;
            await perform(session, noises[i]!);
          }
        });
        assert.equal(left.get("n"), from + 3 * noises.length);
        assert.equal(left.get("fresh"), 3 * noises.length);
        const log = left.get("log") as string[];
        assert.deepEqual([...log].sort(), noises.flatMap((_, i) => [`${i}.0`, `${i}.1`, `${i}.2`]).sort());
        assert.equal(left.get("counter"), from + 3 * noises.length);
      }),
      { numRuns: runs(60) },
    );
  });

  test("never lose an increment that is made while a save is under way", async () => {
    const left = await overlapping(12, { n: 0, counter: 0, append: [] }, async (session, i) => {
      const append = session.data.append as unknown[];
      for (let times = 0; times < 3; times++) {
        session.update("n", (n) => (n as number) + 1);
        session.data.counter = (session.data.counter as number) + 1;
        append.push(`${i} ${times} before`);
        const saved = session.save();
        await Promise.resolve();
        session.update("n", (n) => (n as number) + 1);
        session.data.counter = (session.data.counter as number) + 1;
        append.push(`${i} ${times} during`);
        await saved;
      }
    });
    assert.equal(left.get("n"), 72);
    assert.equal(left.get("counter"), 72);
    const append = left.get("append") as string[];
    assert.equal(append.length, 72);
    assert.equal(new Set(append).size, 72);
  });

  test("never lose an appended item, also by an object that they hold while they save", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(noise, { minLength: 2, maxLength: 8 }), async (noises) => {
        const left = await overlapping(
          noises.length,
          { append: ["first"], union: [], set: new Set() },
          async (session, i) => {
            const append = session.data.append as unknown[];
            const set = session.data.set as Set<unknown>;
            for (const time of [1, 2, 3]) {
              append.push(`${i}.${time}`);
              set.add(`${i}.${time}`);
              (session.data.union as unknown[]).push(`${i}.${time}`);
              await perform(session, noises[i]!);
            }
          },
        );
        const all = noises.flatMap((_, i) => [`${i}.1`, `${i}.2`, `${i}.3`]).sort();
        assert.deepEqual([...(left.get("append") as string[])].sort(), [...all, "first"].sort());
        assert.equal((left.get("append") as string[])[0], "first");
        assert.deepEqual([...(left.get("set") as Set<string>)].sort(), all);
        assert.deepEqual([...(left.get("union") as string[])].sort(), all);
      }),
      { numRuns: runs(60) },
    );
  });

  test("that set one key without a resolver leave the whole value of one of them", async () => {
    const left = await overlapping(20, { x: [] }, (session, i) => session.set("x", [i, i, i]));
    const [one, two, three] = left.get("x") as number[];
    assert.ok(one !== undefined && one === two && two === three);
  });
});

function sorted(state: Map<string, unknown>): [string, unknown][] {
  return [...state].map(([key, value]): [string, unknown] => [key, listed(value)]).sort(([a], [b]) => (a < b ? -1 : 1));
}

describe("a conflict", () => {
  /** Two requests that opened the same state; the second commits over the first. */
  async function race(
    options: { merge?: object; initial?: object },
    data: Data,
    first: (session: Session<Data>) => unknown,
    second: (session: Session<Data>) => unknown,
  ): Promise<Map<string, unknown>> {
    const server = createSessions<Data>({ store: watched(), secret: SECRET, sweepInterval: false, ...options });
    const cookie = await begin(server, data);
    const [one, two] = [await server.open(cookie), await server.open(cookie)];
    await first(one);
    await second(two);
    await one.commit();
    await two.commit();
    return contents(server, cookie);
  }

  test("replays an update on the newer value, decoded separately for each run", async () => {
    const seen: unknown[] = [];
    const left = await race(
      {},
      { list: ["a"] },
      (session) => (session.data.list as string[]).push("b"),
      (session) =>
        session.update("list", (list) => {
          seen.push(structuredClone(list));
          (list as string[]).push("c"); // in place, as applications do
          return list;
        }),
    );
    assert.deepEqual(left.get("list"), ["a", "b", "c"]);
    assert.deepEqual(seen, [["a"], ["a", "b"]]);
  });

  test("replays an update on the initial value if the other request removed the key", async () => {
    const left = await race(
      { initial: { n: 100 } },
      { n: 1 },
      (session) => session.delete("n"),
      (session) => session.update("n", (n) => (n as number) + 1),
    );
    assert.equal(left.get("n"), 101);
  });

  test("gives a resolver base, mine and theirs, with the initial value if there was no base", async () => {
    const seen: unknown[][] = [];
    const resolver = (...values: unknown[]) => {
      seen.push(values);
      return "merged";
    };
    const options = { merge: { x: resolver, y: resolver }, initial: { y: "initial" } };
    const left = await race(
      options,
      { x: "base" },
      (session) => {
        session.set("x", "theirs");
        session.set("y", "their y");
      },
      (session) => {
        session.set("x", "mine");
        session.set("y", "my y");
      },
    );
    assert.deepEqual(seen, [
      ["base", "mine", "theirs"],
      ["initial", "my y", "their y"],
    ]);
    assert.equal(left.get("x"), "merged");

    seen.length = 0;
    await race(
      options,
      { x: "base" },
      (session) => session.delete("x"),
      (session) => session.set("x", "mine"),
    );
    assert.deepEqual(seen, [["base", "mine", undefined]]);
  });

  test("calls no resolver if only one request changed the key, or if this one removed it", async () => {
    const resolver = () => assert.fail("no resolver may be called");
    const options = { merge: { x: resolver } };
    const change = (session: Session<Data>) => session.set("other", 1);
    assert.equal((await race(options, { x: 1 }, change, (session) => session.set("x", 2))).get("x"), 2);
    const set = (session: Session<Data>) => session.set("x", 2);
    assert.equal((await race(options, { x: 1 }, set, (session) => session.delete("x"))).has("x"), false);
    assert.equal((await race(options, { x: 1 }, set, change)).get("x"), 2);
  });

  test("does not take a method of Object.prototype for a resolver or an initial value", async () => {
    for (const key of ["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__"]) {
      const left = await race(
        { merge: {}, initial: {} },
        { [key]: "before" },
        (session) => session.set(key, "theirs"),
        (session) => session.set(key, "mine"),
      );
      assert.equal(left.get(key), "mine");
    }
  });

  test("replays no function if the value was changed in place as well: this request's whole value wins", async () => {
    const concat = (item: string) => (list: unknown) => [...(list as string[]), item];
    const theirs = (session: Session<Data>) => session.update("list", concat("theirs"));
    const changedAfter = await race({}, { list: ["start"] }, theirs, (session) => {
      session.update("list", concat("mine"));
      (session.data.list as string[]).push("in place");
    });
    assert.deepEqual(changedAfter.get("list"), ["start", "mine", "in place"]);
    const changedBefore = await race({}, { list: ["start"] }, theirs, (session) => {
      (session.data.list as string[]).push("in place");
      session.update("list", concat("mine"));
    });
    assert.deepEqual(changedBefore.get("list"), ["start", "in place", "mine"]);
    const changedBack = await race({}, { list: ["start"] }, theirs, async (session) => {
      session.update("list", concat("mine"));
      (session.data.list as string[]).push("in place");
      const saving = session.save();
      (session.data.list as string[]).pop();
      await saving;
    });
    assert.deepEqual(changedBack.get("list"), ["start", "mine"]);
  });

  test("over a counter adds both differences", async () => {
    const merge = { c: "counter" };
    const add = (by: number) => (session: Session<Data>) => session.set("c", ((session.get("c") as number) ?? 0) + by);
    assert.equal((await race({ merge }, { c: 10 }, add(1), add(5))).get("c"), 16);
    assert.equal((await race({ merge }, {}, add(1), add(5))).get("c"), 6);
    assert.equal((await race({ merge, initial: { c: 100 } }, {}, add(1), add(5))).get("c"), 106);
    assert.equal((await race({ merge }, { c: 10 }, (session) => session.delete("c"), add(5))).get("c"), 15);
  });

  test("after a clear starts from an empty session, whatever other requests wrote", async () => {
    const merge = { c: "counter", a: "append" };
    const left = await race(
      { merge },
      { c: 3, a: ["old"], n: 7, gone: 1 },
      (session) => {
        session.set("theirs", 1);
        session.update("n", (n) => (n as number) + 1);
      },
      (session) => {
        session.clear();
        session.set("c", 5);
        session.set("a", ["new"]);
        session.update("n", (n) => ((n as number) ?? 0) + 1);
      },
    );
    assert.deepEqual(Object.fromEntries(left), { c: 5, a: ["new"], n: 1 });
  });

  test("is not needed for a clear to start from an empty session", async () => {
    const left = await race(
      { merge: { c: "counter" } },
      { c: 3, n: 7 },
      () => {},
      (session) => {
        session.clear();
        session.set("c", 5);
        session.update("n", (n) => ((n as number) ?? 0) + 1);
      },
    );
    assert.deepEqual(Object.fromEntries(left), { c: 5, n: 1 });
  });

  test("leaves the other request's value if the resolver chooses it", async () => {
    const left = await race(
      { merge: { x: (_base: unknown, mine: unknown, theirs: unknown) => theirs ?? mine } },
      { x: 1 },
      (session) => session.set("x", 2),
      (session) => session.set("x", 3),
    );
    assert.equal(left.get("x"), 2);
  });

  test("never counts through the holes of an array", async () => {
    for (const merge of ["append", "union", (_base: unknown, mine: unknown) => mine] as const) {
      const server = createSessions<Data>({ store: watched(), secret: SECRET, sweepInterval: false, merge: { list: merge as never } }); // biome-ignore format: one line
      const cookie = await begin(server, { list: ["a"] });
      const [one, two] = [await server.open(cookie), await server.open(cookie)];
      (one.data.list as string[]).push("b");
      (two.data.list as string[])[4_294_967_290] = "c";
      await one.commit();
      await assert.rejects(
        async () => two.commit(),
        /"list" can't be stored: it is an array without an item at index 1/,
      );
      assert.deepEqual((await contents(server, cookie)).get("list"), ["a", "b"]);
    }
    // Nor through those of an array in the store, which the application did not write.
    const sparse = '~[[-7,4294967295,4294967290,1],"x"]';
    const meta = { createdAt: 0 } as RecordMeta;
    const theirs = SessionRecord.write(meta, undefined, [{ key: "list", after: sparse }]);
    const mine = { key: "list", before: '["a"]', after: '["a","b"]', updates: undefined };
    for (const merge of ["append", "union"] as const) {
      const rules = { resolvers: new Map([["list", merge]]), initial: new Map(), maxSize: 1_000, now: Date.now };
      assert.deepEqual(replay({ cleared: false, keys: [mine] }, theirs, rules), [{ key: "list", after: '["a","b"]' }]);
      const updates = [(list: unknown) => [...((list as string[]) ?? []), "b"]];
      const updated = { ...mine, updates };
      assert.deepEqual(replay({ cleared: false, keys: [updated] }, theirs, rules), [{ key: "list", after: '["b"]' }]);
    }
  });

  test("whose result is too large, or refers to the same things too often, is refused", async () => {
    const doubled = (levels: number): unknown => {
      let value: unknown = "x";
      for (let i = 0; i < levels; i++) value = [value, value];
      return value;
    };
    const rules = {
      resolvers: new Map([["x", () => doubled(60)]]),
      initial: new Map(),
      maxSize: 100_000,
      now: Date.now,
    };
    const theirs = SessionRecord.write({ createdAt: 0 } as RecordMeta, undefined, [{ key: "x", after: "1" }]);
    const mine = { key: "x", before: "2", after: "3", updates: undefined };
    const error = { code: "COATCHECK_TOO_LARGE" };
    assert.throws(() => replay({ cleared: false, keys: [mine] }, theirs, rules), error);
    const updated = { ...mine, updates: [() => doubled(60)] };
    assert.throws(() => replay({ cleared: false, keys: [updated] }, theirs, rules), error);
  });

  test("in which the application's function throws fails only that commit, and writes nothing of it", async () => {
    const cases: [object, (session: Session<Data>) => unknown][] = [
      [{}, (session) => session.update("x", throwsAt(2))],
      [{ x: throwsAt(1) }, (session) => session.set("x", "mine")],
      [{ x: () => () => {} }, (session) => session.set("x", "mine")],
    ];
    for (const [merge, change] of cases) {
      const server = createSessions<Data>({ store: watched(), secret: SECRET, sweepInterval: false, merge });
      const cookie = await begin(server, { x: "before" });
      const [one, two, three] = [await server.open(cookie), await server.open(cookie), await server.open(cookie)];
      one.set("x", "theirs");
      await one.commit();
      two.set("beside", 1);
      change(two);
      three.set("third", 1);
      const results = await Promise.allSettled([two.commit(), three.commit()]);
      assert.deepEqual(results.map(({ status }) => status), ["rejected", "fulfilled"]); // biome-ignore format: one line
      assert.deepEqual(Object.fromEntries(await contents(server, cookie)), { seed: 0, x: "theirs", third: 1 });
    }
  });
});

/** A function that throws when it is called for the nth time. */
function throwsAt(nth: number): () => string {
  let calls = 0;
  return () => {
    if (++calls === nth) throw new Error("the application's own");
    return "value";
  };
}
