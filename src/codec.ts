import { parse, stringify } from "devalue";
import { UnstorableValueError } from "./errors.ts";

// Values of JSON's types are kept as JSON, the fastest there is in V8. Anything richer goes to devalue, marked by a "~",
// with which no JSON text begins.
const RICH = "~";
// Deeper than this, or in a circle: devalue follows references, JSON does not.
const MAX_PLAIN_DEPTH = 32;

/**
 * The text of a value. Equal values of equal shape give equal texts.
 * @throws UnstorableValueError naming `key`, for functions, symbols and instances of classes.
 */
export function encode(key: string, value: unknown): string {
  if (isPlain(value, 0)) return JSON.stringify(value);
  try {
    return RICH + stringify(value, { Buffer: bufferToText, View: ownBytes });
  } catch (cause) {
    throw new UnstorableValueError(key, reason(value, cause), cause);
  }
}

/** The value of a text that `encode` made. @throws if it is no such text. */
export function decode(text: string): unknown {
  return text.startsWith(RICH)
    ? parse(text.slice(RICH.length), { Buffer: textToBuffer, View: (view) => view })
    : JSON.parse(text);
}

/** True if JSON gives the value back as it is: no NaN, -0, undefined, Date, toJSON, hole, hidden or symbol key. */
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
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false;
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype || Object.getOwnPropertySymbols(value).length > 0) return false;
  for (const name in value) if (!isPlain((value as Record<string, unknown>)[name], depth + 1)) return false;
  return true;
}

function reason(value: unknown, cause: unknown): string {
  const { path = "", value: culprit = value, message } = cause as { path?: string; value?: unknown; message: string };
  return `it ${path ? "holds" : "is"} ${nameOf(culprit) ?? message}${path && `, at ${path}`}`;
}

function nameOf(value: unknown): string | undefined {
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  const type = typeof value === "object" && value !== null ? value.constructor?.name : undefined;
  return type === "Object" ? "an object with symbols for keys" : type && `an instance of ${type}`;
}

// devalue would bring a Buffer back as a Uint8Array. The "=" keeps the text of an empty one from being falsy.
function bufferToText(value: unknown): string | false {
  return Buffer.isBuffer(value) && `=${value.toString("base64")}`;
}

function textToBuffer(text: string): Buffer {
  return Buffer.from(text.slice(1), "base64");
}

/** devalue writes a view's whole buffer; what lies outside the view (other people's bytes, in a pool) must not be kept. */
function ownBytes(value: unknown): ArrayBufferView | false {
  if (!ArrayBuffer.isView(value) || value.byteLength === value.buffer.byteLength) return false;
  const bytes = value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength);
  return new (value.constructor as new (buffer: ArrayBufferLike) => ArrayBufferView)(bytes);
}
