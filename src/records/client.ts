// What a session knows of its client: checked, and read from a record.

import { UnstorableValueError } from "../errors.ts";
import { CLIENT, type SessionRecord } from "./record.ts";
import { decode } from "./value-codec.ts";

export interface ClientTexts {
  readonly label?: string;
  readonly address?: string;
  readonly userAgent?: string;
}

const NAMES = ["label", "address", "userAgent"] as const;
// A user agent may have any length. It goes into each list of devices.
const MAX_BYTES = 1024;

/** The texts that are given, in an order of their own: what did not change has the same text. @throws UnstorableValueError */
export function checkedClient(client: ClientTexts | undefined): ClientTexts | undefined {
  if (client === undefined) return undefined;
  if (typeof client !== "object" || client === null) throw unstorable();
  if (Object.keys(client).some((name) => !(NAMES as readonly string[]).includes(name))) throw unstorable();
  const texts = NAMES.filter((name) => client[name] !== undefined).map((name) => [name, client[name]!] as const);
  if (!texts.every(([, text]) => typeof text === "string" && Buffer.byteLength(text) <= MAX_BYTES)) throw unstorable();
  return Object.fromEntries(texts);
}

/** Undefined: the record has none that can be read. */
export function clientOf(record: SessionRecord): ClientTexts | undefined {
  const text = record.text(CLIENT);
  try {
    return text === undefined ? undefined : (decode(text) as ClientTexts);
  } catch {
    return undefined;
  }
}

function unstorable(): UnstorableValueError {
  return new UnstorableValueError(
    "client",
    `a client has label, address and userAgent, texts of up to ${MAX_BYTES} bytes`,
  );
}
