import { inspect } from "node:util";

/** What a view needs of its session. */
interface Keys {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
  has(key: string): boolean;
  delete(key: string): void;
  keys(): string[];
}

/** A session's keys as the properties of a plain-looking object. Values are decoded when they are asked for. */
export function dataView(session: Keys): Record<string, unknown> {
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

const handler: ProxyHandler<Target> = {
  get({ session }, key) {
    if (typeof key !== "string") return undefined;
    const value = session.get(key);
    return value === undefined && METHODS.has(key) ? Reflect.get(Object.prototype, key) : value;
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
  // What is frozen could not take a new key.
  preventExtensions: () => false,
};

/** What every object has. Not `__proto__` and `constructor`, by which a key from outside could reach all objects. */
const METHODS = new Set([
  "hasOwnProperty",
  "isPrototypeOf",
  "propertyIsEnumerable",
  "toLocaleString",
  "toString",
  "valueOf",
]);
