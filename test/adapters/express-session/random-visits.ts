// Random options of session(), and random requests.

import type { CookieOptions, SessionOptions } from "../../../src/adapters/express-session/index.ts";
import fc from "../../support/random.ts";
import type { Answer, Step, Visit } from "./both.ts";

const key = fc.constantFrom("cart", "user", "n", "a.b");
const value = fc.oneof(
  fc.constantFrom(0, 1, "", "text", null, true, undefined),
  fc.constantFrom([], [1, 2], { deep: { er: 1 } }, { cookie: 1 }),
);
const ms = fc.constantFrom(0, 500, 60_000, 3_600_000, 10 ** 11, null);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant("set" as const), key, value) },
  { weight: 1, arbitrary: fc.constant<Step>(["set", "id", 1]) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("push" as const), fc.constantFrom("list", "cart"), value) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("delete" as const), key) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("maxAge" as const), ms) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("expires" as const), fc.constantFrom(0, 60_000, null, false)) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom<[string, unknown]>(["path", "/sub"], ["sameSite", "lax"], ["httpOnly", false], ["domain", "a.test"])
      .map(([name, value]): Step => ["cookie", name, value]),
  },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom("save", "reload", "regenerate", "destroy", "touch", "null", "unset", "twice", "look")
      .map((name) => [name]),
  },
) as fc.Arbitrary<Step>;
const cookieChange = fc.constantFrom<Step>(
  ["new cookie", { maxAge: 60_000 }],
  ["new cookie", { path: "/sub", sameSite: "lax" }],
  ["plain cookie", {}],
  ["plain cookie", { path: "/sub", httpOnly: true }],
);
const idChange = fc.constantFrom<Step>(["sessionID", "another id"], ["sessionID", undefined]);
const late = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant("set" as const), key, value) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("push" as const), fc.constant("list"), value) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("maxAge" as const), ms) },
  {
    weight: 2,
    // Not what takes changes back, as reload does: they are in the store by then.
    arbitrary: fc.constantFrom("save", "regenerate", "destroy", "touch").map((name) => [name]),
  },
) as fc.Arbitrary<Step>;
const answer: fc.Arbitrary<Answer> = fc.record({
  status: fc.constantFrom(200, 200, 200, 404, 500),
  way: fc.constantFrom("end", "end", "end", "writeHead", "stream", "redirect", "head with cookie"),
  late: fc.array(late, { maxLength: 2 }),
});
/**
 * Left out is what differs since the drop-in saves before the first byte: after another `sessionID`, a late `regenerate` ends
 * another session than the one that is saved by then, and what was over at the first byte gets no late end. And a mere object
 * in the place of the cookie gets no age.
 */
function possible(visit: Visit): Visit {
  const names = new Set(visit.steps.map(([name]) => name));
  const isAge = ([name]: Step) => name === "maxAge" || name === "expires";
  const isOver = visit.steps.some((step) => isAge(step) && step[1] === 0);
  const isPossible = (step: Step) => !isAge(step) || !names.has("plain cookie");
  const isPossibleLate = (step: Step) =>
    isPossible(step) && !(step[0] === "regenerate" && names.has("sessionID")) && !(isAge(step) && isOver);
  const { answer } = visit;
  return {
    ...visit,
    steps: visit.steps.filter(isPossible),
    answer: { ...answer, late: answer.late.filter(isPossibleLate) },
  };
}
const visitOf = (steps: fc.Arbitrary<Step[]>): fc.Arbitrary<Visit> =>
  (
    fc.record({
      method: fc.constantFrom("GET", "GET", "GET", "HEAD"),
      steps,
      answer,
      pause: fc.constantFrom(0, 0, 400, 30_000, 4_000_000),
      path: fc.constantFrom("/", "/", "/sub/page?x=1", "/other"),
      cookie: fc.constantFrom("mine", "mine", "mine", "mine", "none", "forged", "unsigned", "former"),
      https: fc.boolean(),
    }) as fc.Arbitrary<Visit>
  ).map(possible);
/** Of the other requests that a request may meet. */
const inner = visitOf(fc.array(step, { maxLength: 3 }));
const meanwhile = inner.map((visit): Step => ["meanwhile", visit]);
const anyStep = fc.oneof(
  { weight: 24, arbitrary: step },
  { weight: 1, arbitrary: cookieChange },
  { weight: 1, arbitrary: idChange },
  { weight: 1, arbitrary: meanwhile },
);
export const visits: fc.Arbitrary<Visit[]> = fc.array(visitOf(fc.array(anyStep, { maxLength: 4 })), {
  minLength: 1,
  maxLength: 5,
});

/** Leaves out what is undefined, since `exactOptionalPropertyTypes` and both packages tell it from what is missing. */
const optional = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
const given = (options: object) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
const cookieOptions = fc
  .record({
    maxAge: optional(fc.constantFrom(1_000, 60_000, 10 ** 10, null)),
    path: optional(fc.constantFrom("/", "/sub")),
    domain: optional(fc.constant("shop.test")),
    httpOnly: optional(fc.boolean()),
    secure: optional(fc.constantFrom(true, false, "auto")),
    sameSite: optional(fc.constantFrom(true, false, "lax", "strict", "none", "auto")),
    partitioned: optional(fc.boolean()),
    priority: optional(fc.constantFrom("low", "medium", "high")),
  })
  .map(given) as fc.Arbitrary<CookieOptions>;
export const options = fc
  .record({
    secret: fc.constantFrom("keyboard cat", ["new", "keyboard cat"]),
    name: optional(fc.constantFrom("sid", "connect.sid")),
    cookie: optional(cookieOptions),
    resave: fc.boolean(),
    saveUninitialized: fc.boolean(),
    rolling: optional(fc.boolean()),
    unset: optional(fc.constantFrom("keep", "destroy")),
    proxy: optional(fc.boolean()),
  })
  .map(given) as fc.Arbitrary<SessionOptions>;

/** Found at random once, and rare: each is in every run. */
export const examples: [SessionOptions, Visit[]][] = [
  // A new session that is empty again after save().
  [{ secret: "keyboard cat", resave: false, saveUninitialized: false }, [visit(["set", "cart", []], ["save"], ["delete", "cart"])]], // biome-ignore format: one line
  [{ secret: "keyboard cat", resave: true, saveUninitialized: false }, [visit(["set", "cart", 1], ["save"], ["delete", "cart"]), visit(["look"])]], // biome-ignore format: one line
  // With resave, what was read again is saved, too: the cookie has changed, which the text of a session leaves out.
  [{ secret: "keyboard cat", resave: true, saveUninitialized: true }, [visit(), visit(["reload"], ["cookie", "path", "/sub"]), visit()]], // biome-ignore format: one line
  // A session that is read again, and then gets another age.
  [{ secret: "keyboard cat", resave: true, saveUninitialized: true }, [visit(), visit(["reload"], ["maxAge", 60_000]), visit()]], // biome-ignore format: one line
];

function visit(...steps: Step[]): Visit {
  return {
    method: "GET",
    steps,
    answer: { status: 200, way: "end", late: [] },
    pause: 0,
    path: "/",
    cookie: "mine",
    https: false,
  };
}
