// Messages between a store and its objects: something that JSON can hold, and bytes.

import type { SessionEntry, SessionWrite, StoredSession, Version } from "../../store.ts";

/** A session in a message. Its value stands in the list of values. */
export type Described<Session extends { value: Uint8Array }> = Omit<Session, "value" | "opened" | "copy">;

/** What a store asks of an object. */
export type Call =
  | { do: "read"; key: string; touchUntil?: number | undefined }
  | { do: "create"; key: string; session: Described<SessionWrite> }
  | { do: "update"; key: string; session: Described<SessionWrite>; ifVersion: Version }
  | { do: "delete"; key: string; ifVersion?: Version | undefined }
  | { do: "touch"; key: string; expiresAt: number }
  | { do: "list"; after: string; owner?: string | undefined }
  | { do: "claimExpired"; now: number; limit: number };

/** What an object answers to each call. */
export interface Answers {
  read: Described<StoredSession> | null;
  create: Version | "exists";
  update: Version | "conflict" | "gone";
  delete: boolean;
  touch: boolean;
  list: SessionEntry[];
  claimExpired: Described<SessionWrite & { key: string }>[];
}

/** A message: its head, and the values that belong to it. */
export interface Message {
  head: unknown;
  values: Uint8Array[];
}

const LENGTH_BYTES = 4;

/** The length of the JSON, the JSON of head and sizes, and the values. */
export function encodeMessage({ head, values }: Message): Uint8Array<ArrayBuffer> {
  const json = Buffer.from(JSON.stringify({ head, sizes: values.map((value) => value.length) }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(json.length);
  return new Uint8Array(Buffer.concat([length, json, ...values]));
}

/** The values share the memory of the message. */
export function decodeMessage(bytes: ArrayBuffer): Message {
  let at = LENGTH_BYTES + new DataView(bytes).getUint32(0);
  const { head, sizes } = JSON.parse(Buffer.from(bytes, LENGTH_BYTES, at - LENGTH_BYTES).toString()) as {
    head: unknown;
    sizes: number[];
  };
  const values = sizes.map((size) => {
    at += size;
    return new Uint8Array(bytes, at - size, size);
  });
  return { head, values };
}
