// `session.data`: the keys of a session as the properties of an object.

import { inspect } from "node:util";

/** What the proxy needs of its session. */
interface Keys {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  has(key: string): boolean;
  delete(key: string): void;
  keys(): string[];
}

/** A session's keys as the properties of an object that looks plain. A value is decoded when it is first read. */
export function dataProxy(session: Keys): Record<string, unknown> {
  return new Proxy(new Target(session), handler) as unknown as Record<string, unknown>;
}

class Target {
  readonly session: Keys;

  constructor(session: Keys) {
    this.session = session;
  }

  /** `console.log` asks the Proxy's target, with the Proxy as `this`: its properties are the data. */
  [inspect.custom](): object {
    return { ...this };
  }
}

// No Proxy can be cloned. V8 names the target in the error of `structuredClone(session.data)`, and without a constructor it
// takes this for the name: "[object session.data: clone { ...session.data } instead] could not be cloned."
Object.defineProperties(Target.prototype, {
  constructor: { value: undefined },
  [Symbol.toStringTag]: { value: "session.data: clone { ...session.data } instead" },
});

const handler: ProxyHandler<Target> = {
  get({ session }, key) {
    if (typeof key !== "string") return undefined;
    const value = session.get(key);
    return value === undefined ? METHODS.get(key) : value;
  },
  set({ session }, key, value) {
    if (typeof key !== "string") return false;
    session.set(key, value);
    return true;
  },
  has: ({ session }, key) => typeof key === "string" && session.has(key),
  deleteProperty({ session }, key) {
    if (typeof key === "string") session.delete(key);
    return true;
  },
  ownKeys: ({ session }) => session.keys(),
  getOwnPropertyDescriptor({ session }, key) {
    if (typeof key !== "string" || !session.has(key)) return undefined;
    return { value: session.get(key), writable: true, enumerable: true, configurable: true };
  },
  defineProperty({ session }, key, { value }) {
    if (typeof key !== "string" || value === undefined) return false;
    session.set(key, value);
    return true;
  },
  getPrototypeOf: () => Object.prototype,
  // A frozen session could not take a new key.
  preventExtensions: () => false,
};

const METHOD_NAMES = [
  "hasOwnProperty",
  "isPrototypeOf",
  "propertyIsEnumerable",
  "toLocaleString",
  "toString",
  "valueOf",
] as const;

/**
 * What every object has, for `session.data.hasOwnProperty("user")`. A key from outside may lead here, as in
 * `session.data[key][name] = value`, and all requests share these functions. So they can't be changed, and have no prototype
 * by which others are reached. `__proto__` and `constructor` are left out for the same reason.
 */
const METHODS = new Map<string, unknown>(METHOD_NAMES.map((name) => [name, isolated(name)]));

function isolated(name: (typeof METHOD_NAMES)[number]): unknown {
  const original: (...args: never[]) => unknown = Object.prototype[name];
  // A method, because a function would have a `prototype`.
  const methods = {
    [name](this: unknown, ...args: unknown[]): unknown {
      return Reflect.apply(original, this, args);
    },
  };
  return Object.freeze(Object.setPrototypeOf(methods[name], null));
}
