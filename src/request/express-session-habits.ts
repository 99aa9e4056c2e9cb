// What code written for express-session does to a session: it works, or it gets an error that names the fix.

import { CoatcheckError } from "../errors.ts";
import type { SessionCallback } from "../session.ts";
import { endedError } from "./request-errors.ts";

/**
 * Makes a call for code that gave a callback. The callback runs outside of promises, so that what it throws is not
 * swallowed; and the promise of the call never goes unhandled.
 */
export function withCallback<Result>(callback: SessionCallback, call: () => Promise<Result>): Promise<Result> {
  let answer: Promise<Result>;
  try {
    answer = call();
  } catch (error) {
    answer = Promise.reject(error);
  }
  answer.then(
    (result) => (result === false ? process.nextTick(callback, endedError()) : process.nextTick(callback)),
    (error) => process.nextTick(callback, error),
  );
  return answer;
}

/** What replaces members of express-session's sessions that this one does not have. */
const REPLACEMENTS: Readonly<Record<string, string>> = {
  cookie: "The cookie's attributes are options of createSessions: cookie: { maxAge, sameSite, … }",
  touch: "A session that is used is extended by itself: see the option idleTimeout",
  resetMaxAge: "A session that is used is extended by itself: see the option idleTimeout",
};

/**
 * Lets nothing be assigned to objects of this prototype but what has a setter. Methods become accessors, whose setters
 * throw in sloppy mode, too; a name that is nowhere on the prototype reaches the Proxy behind it. A method that could be
 * replaced on one session would leave others alone, but connect-flash keeps its messages on the function that it finds.
 */
export function refuseAssignments(prototype: object): void {
  for (const name of Reflect.ownKeys(prototype)) {
    const { value, get, set, enumerable = false } = Object.getOwnPropertyDescriptor(prototype, name)!;
    Object.defineProperty(prototype, name, {
      get: get ?? (() => value),
      set: set ?? (() => refuse(name, typeof value === "function")),
      enumerable,
      configurable: true,
    });
  }
  for (const [name, fix] of Object.entries(REPLACEMENTS)) {
    const refuseUse = () => {
      throw new CoatcheckError("COATCHECK_NOT_DATA", `coatcheck: a session has no ${name}. ${fix}.`);
    };
    Object.defineProperty(prototype, name, { get: refuseUse, set: refuseUse, configurable: true });
  }
  // Promises look it up on what they resolve to. Without it here, each would ask the Proxy.
  // biome-ignore lint/suspicious/noThenProperty: it is undefined
  Object.defineProperty(prototype, "then", { get: () => undefined, set: () => refuse("then", false) });
  Object.setPrototypeOf(prototype, new Proxy(Object.freeze({}), { set: (_target, name) => refuse(name, false) }));
}

function refuse(key: string | symbol, isMethod: boolean): never {
  const name = String(key);
  const what = isMethod ? `session.${name} is a method and can't be replaced` : `session.${name} can't be set`;
  const fix =
    name === "flash"
      ? "For messages call session.flash(key, message), and session.flash(key) to take one; connect-flash does not work with it"
      : `What the application keeps goes into session.data: session.data.${name} = …`;
  throw new CoatcheckError("COATCHECK_NOT_DATA", `coatcheck: ${what}. ${fix}.`);
}
