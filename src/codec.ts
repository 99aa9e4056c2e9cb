import { DevalueError, defaultStringifyOperations, parse, stringify } from "devalue";
import { UnstorableValueError } from "./errors.ts";

// Values of JSON's types are kept as JSON, the fastest there is in V8. Anything richer goes to devalue, marked by a "~",
// with which no JSON text begins.
const RICH = "~";
// Deeper than this, or in a circle: devalue follows references, JSON does not.
const MAX_PLAIN_DEPTH = 32;
// Deeper than this is refused: devalue recurses, and could write what it can't read again on a stack that is fuller.
const MAX_DEPTH = 500;

/**
 * The text of a value. Equal values of equal shape give equal texts.
 * @throws UnstorableValueError naming `key`, for functions, symbols and instances of classes.
 */
export function encode(key: string, value: unknown): string {
  try {
    if (isPlain(value, 0)) return typeof value === "number" ? String(value) : JSON.stringify(value);
    if (!isDeeper(value, MAX_DEPTH, new Set())) return RICH + stringify(value, REDUCERS, OPTIONS);
  } catch (cause) {
    throw new UnstorableValueError(key, reason(cause), cause);
  }
  throw new UnstorableValueError(key, `it is nested more than ${MAX_DEPTH} deep`);
}

/** The value of a text that `encode` made. @throws if it is no such text. */
export function decode(text: string): unknown {
  return text.startsWith(RICH) ? parse(text.slice(RICH.length), REVIVERS) : JSON.parse(text);
}

/** True if JSON gives the value back as it is: no NaN, -0, undefined, Date, toJSON, hole, class or symbol key. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth === MAX_PLAIN_DEPTH) return false;
  if (Array.isArray(value)) {
    if (Object.getPrototypeOf(value) !== Array.prototype) return false;
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false;
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype || Object.getOwnPropertySymbols(value).length > 0) return false;
  for (const name in value) if (!isPlain((value as Record<string, unknown>)[name], depth + 1)) return false;
  return true;
}

/** Walks in devalue's order, so that this is the depth to which it will recurse. */
function isDeeper(value: unknown, depth: number, seen: Set<unknown>): boolean {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || seen.has(value)) return false;
  if (depth === 0) return true;
  seen.add(value);
  const inside = value instanceof Map ? [...value].flat(1) : value instanceof Set ? [...value] : Object.values(value);
  return inside.some((item) => isDeeper(item, depth - 1, seen));
}

function reason(cause: unknown): string {
  if (!(cause instanceof DevalueError)) return `reading it fails with ${cause}`;
  return cause.path ? `it holds ${nameOf(cause.value)}, at ${cause.path}` : `it is ${nameOf(cause.value)}`;
}

function nameOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return `a ${typeof value}`;
  const type = Object.getPrototypeOf(value)?.constructor?.name;
  if (type && type !== "Object") return `an instance of ${type}`;
  if (Object.getOwnPropertySymbols(value).length > 0) return "an object with symbols for keys";
  return Object.hasOwn(value, "__proto__") ? 'an object with a key "__proto__"' : "an object that is not plain data";
}

// devalue would bring a Buffer back as a Uint8Array. The "=" keeps the text of an empty one from being falsy.
const REDUCERS = { Buffer: (value: unknown) => Buffer.isBuffer(value) && `=${value.toString("base64")}` };
const REVIVERS = { Buffer: (text: string) => Buffer.from(text.slice(1), "base64") };

const OPTIONS = {
  operations: {
    /** devalue would keep an instance of a class that extends Map, say, as a Map. */
    tagOf: (value: object) => (isSubclass(value) ? "Subclass" : defaultStringifyOperations.tagOf(value)),
    /** devalue would write a view's whole buffer; what lies outside the view (other people's bytes, in a pool) is not its. */
    viewInfo(view: ArrayBufferView) {
      const { byteOffset, byteLength } = view;
      const isWhole = byteLength === view.buffer.byteLength;
      const buffer = isWhole ? view.buffer : view.buffer.slice(byteOffset, byteOffset + byteLength);
      return { buffer, byteOffset: 0, byteLength, bufferByteLength: byteLength };
    },
  },
};

/** True if there is one prototype more than a built-in type's own, the typed arrays' common one, and Object's. */
function isSubclass(value: object): boolean {
  let prototypes = ArrayBuffer.isView(value) && !(value instanceof DataView) ? -1 : 0;
  for (let type = Object.getPrototypeOf(value); type !== null; type = Object.getPrototypeOf(type)) prototypes++;
  return prototypes > 2;
}
