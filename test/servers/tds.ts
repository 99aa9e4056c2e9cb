// Starts a small server that speaks TDS, the protocol of SQL Server. A test scripts its answers.

import { createServer, type Server, type Socket } from "node:net";
import { freePort } from "./process.ts";

/** A column of a result: 8 bytes, up to this many bytes, or any number of bytes. */
export type TdsType = "bigint" | { varbinary: number } | "varbinary(max)";

export type TdsValue = bigint | number | string | Uint8Array | null;

/** The result of one statement in a batch. */
export interface TdsResult {
  columns?: Record<string, TdsType>;
  rows?: Record<string, unknown>[];
  /** How many rows it changed or returned. Undefined: the server does not say, as under SET NOCOUNT ON. */
  count?: number;
}

export interface TdsError {
  number: number;
  message: string;
  /** The severity. Default: 16. */
  class?: number;
}

/**
 * What the server answers: the results of the statements in order, perhaps with an error at the end; nothing at all; or it
 * cuts the connection.
 */
export type TdsAnswer = { results?: TdsResult[]; error?: TdsError } | "silence" | "cut";

/** Statements that a client has sent. */
export interface TdsRequest {
  text: string;
  /** The values of the parameters, by their names without "@". */
  values: Record<string, TdsValue>;
}

export interface TdsMessage {
  type: "prelogin" | "login" | "batch" | "rpc" | "attention" | "other";
  /** Counts from 0. */
  connection: number;
  /** The statements, in a batch or RPC. */
  text?: string;
  /** In a prelogin: 0 and 2 ask for no encryption, 1 for encryption. */
  encryption?: number;
  /** In a login. */
  appName?: string;
}

export interface TdsServer {
  readonly port: number;
  /** Without encryption, for any user. */
  readonly connectionString: string;
  /** All messages, in order. Empty it with `messages.length = 0`. */
  readonly messages: TdsMessage[];
  /** The connections that are open now. */
  readonly connections: number;
  /** Called for each request but the settings that a client sends after its login. */
  answer: (request: TdsRequest) => TdsAnswer | Promise<TdsAnswer>;
  /** Called for each login. An error refuses it. */
  login: () => TdsError | "silence" | undefined;
  /** False: an attention is not acknowledged either. */
  acknowledgesAttention: boolean;
  /** The batches and RPCs since the last call, each of which is a round trip. Forgets all messages. */
  take(): TdsMessage[];
  /** Refuses new connections and cuts the open ones, as a server does that goes down. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Starts the server in this process. Until a test sets `answer`, each request gets an empty result. */
export async function startTds(): Promise<TdsServer> {
  const sockets = new Set<Socket>();
  let connected = 0;

  const server: Server = createServer((socket) => {
    const connection = connected++;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    let hasSettings = false;
    /** The request that is not answered yet. */
    let pending: TdsRequest | undefined;

    function received({ type, ignored, body }: Message): void {
      const message: TdsMessage = { type: NAMES[type] ?? "other", connection };
      tds.messages.push(message);
      if (message.type === "prelogin") {
        message.encryption = preloginOption(body, 0x01)?.[0] ?? 0;
        send(PRELOGIN_ANSWER);
      } else if (message.type === "login") {
        message.appName = loginText(body, APP_NAME);
        const refusal = tds.login();
        if (refusal === "silence") return;
        send(refusal === undefined ? LOGIN_ANSWER : Buffer.concat([errorToken(refusal), done(DONE, ERROR)]));
      } else if (message.type === "attention") {
        if (!tds.acknowledgesAttention) return;
        // An answer that is still due ends first.
        if (pending !== undefined) send(done(DONE, ERROR));
        pending = undefined;
        send(done(DONE, ATTENTION));
      } else if (ignored) {
        send(done(DONE, ERROR));
      } else if (message.type === "batch" && !hasSettings) {
        // The first batch of a connection is the client's own.
        hasSettings = true;
        send(done(DONE));
      } else {
        const request = message.type === "rpc" ? parseRpc(body) : { text: parseBatch(body), values: {} };
        message.text = request.text;
        respond(request, message.type === "rpc").catch((error) => {
          pending = undefined;
          send(errorAnswer(error));
        });
      }
    }

    async function respond(request: TdsRequest, isRpc: boolean): Promise<void> {
      pending = request;
      const answer = await tds.answer(request);
      if (answer === "silence" || pending !== request) return;
      pending = undefined;
      if (answer === "cut") return void socket.destroy();
      send(encodeAnswer(answer, isRpc));
    }

    /** An answer is one message of several packets. */
    function send(body: Buffer): void {
      for (let start = 0, id = 1; start === 0 || start < body.length; start += MAX_BODY, id++) {
        const part = body.subarray(start, start + MAX_BODY);
        const header = Buffer.from([0x04, start + MAX_BODY >= body.length ? 1 : 0, 0, 0, 0, 50, id & 0xff, 0]);
        header.writeUInt16BE(HEADER_BYTES + part.length, 2);
        socket.write(Buffer.concat([header, part]));
      }
    }

    socket.on("data", messageReader(received));
  });

  const port = await freePort();
  const tds: TdsServer = {
    port,
    connectionString: `Server=127.0.0.1,${port};Database=test;User Id=u;Password=p;Encrypt=false`,
    messages: [],
    get connections() {
      return sockets.size;
    },
    answer: () => ({}),
    login: () => undefined,
    acknowledgesAttention: true,
    take() {
      const taken = tds.messages.splice(0);
      return taken.filter(({ text }) => text !== undefined);
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
    start: () => new Promise((resolve) => server.listen(port, "127.0.0.1", resolve)),
  };
  await tds.start();
  return tds;
}

const HEADER_BYTES = 8;
const MAX_BODY = 4096 - HEADER_BYTES;

const NAMES: Record<number, TdsMessage["type"]> = {
  1: "batch",
  3: "rpc",
  6: "attention",
  16: "login",
  18: "prelogin",
};

// Tokens of an answer, and bits of the status in the last three.
const COLUMNS = 0x81;
const ROW = 0xd1;
const RETURN_STATUS = 0x79;
const DONE = 0xfd;
const DONE_PROC = 0xfe;
const DONE_IN_PROC = 0xff;
const MORE = 0x01;
const ERROR = 0x02;
const COUNT = 0x10;
const ATTENTION = 0x20;

const BIGINT = 0x26;
const VARBINARY = 0xa5;
const NVARCHAR = 0xe7;
const IS_MAX = 0xffff;

interface Message {
  type: number;
  /** The client cancelled it before it was complete. */
  ignored: boolean;
  body: Buffer;
}

/** A function that takes bytes, and calls `onMessage` for each message that is complete. */
function messageReader(onMessage: (message: Message) => void): (bytes: Buffer) => void {
  let pending = Buffer.alloc(0);
  let parts: Buffer[] = [];
  return (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= HEADER_BYTES && pending.length >= pending.readUInt16BE(2)) {
      const [type, status] = [pending[0]!, pending[1]!];
      const length = pending.readUInt16BE(2);
      parts.push(pending.subarray(HEADER_BYTES, length));
      pending = pending.subarray(length);
      if ((status & 0x01) === 0) continue;
      const body = Buffer.concat(parts);
      parts = [];
      onMessage({ type, ignored: (status & 0x02) !== 0, body });
    }
  };
}

function preloginOption(body: Buffer, token: number): Buffer | undefined {
  for (let at = 0; body[at] !== 0xff; at += 5) {
    const offset = body.readUInt16BE(at + 1);
    if (body[at] === token) return body.subarray(offset, offset + body.readUInt16BE(at + 3));
  }
  return undefined;
}

/** Where a login says where the application's name is. */
const APP_NAME = 48;

function loginText(body: Buffer, at: number): string {
  const offset = body.readUInt16LE(at);
  return body.toString("utf16le", offset, offset + body.readUInt16LE(at + 2) * 2);
}

function parseBatch(body: Buffer): string {
  return body.toString("utf16le", body.readUInt32LE(0));
}

/** Parses a call of sp_executesql, the only procedure that the client uses. */
function parseRpc(body: Buffer): TdsRequest {
  const reader = new Reader(body, body.readUInt32LE(0));
  if (reader.u16() !== 0xffff || reader.u16() !== 10) throw new Error("the procedure is not sp_executesql");
  reader.u16();
  const parameters: [string, TdsValue][] = [];
  while (!reader.isAtEnd) parameters.push(reader.parameter());
  const [[, text], , ...values] = parameters as [[string, string], ...[string, TdsValue][]];
  return { text, values: Object.fromEntries(values.map(([name, value]) => [name.slice(1), value])) };
}

class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    return this.#bytes[this.#at++]!;
  }

  u16(): number {
    return this.bytes(2).readUInt16LE();
  }

  bytes(length: number): Buffer {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  parameter(): [string, TdsValue] {
    const name = this.bytes(this.u8() * 2).toString("utf16le");
    this.u8();
    return [name, this.#value()];
  }

  #value(): TdsValue {
    const type = this.u8();
    if (type === BIGINT) {
      this.u8();
      const length = this.u8();
      if (length === 0) return null;
      const bytes = this.bytes(length);
      return length === 8 ? bytes.readBigInt64LE() : bytes.readIntLE(0, length);
    }
    if (type !== VARBINARY && type !== NVARCHAR) throw new Error(`a parameter of type ${type}`);
    const isMax = this.u16() === IS_MAX;
    if (type === NVARCHAR) this.bytes(5);
    const value = isMax ? this.#chunks() : this.#short();
    return value === null || type === VARBINARY ? value : value.toString("utf16le");
  }

  #short(): Buffer | null {
    const length = this.u16();
    return length === 0xffff ? null : Buffer.from(this.bytes(length));
  }

  #chunks(): Buffer | null {
    if (this.bytes(8).readBigUInt64LE() === 0xffff_ffff_ffff_ffffn) return null;
    const chunks: Buffer[] = [];
    for (let length = this.bytes(4).readUInt32LE(); length > 0; length = this.bytes(4).readUInt32LE()) {
      chunks.push(this.bytes(length));
    }
    return Buffer.concat(chunks);
  }
}

function encodeAnswer({ results = [], error }: Exclude<TdsAnswer, string>, isRpc: boolean): Buffer {
  const tokens: Buffer[] = [];
  const [each, last] = isRpc ? [DONE_IN_PROC, DONE_PROC] : [DONE, DONE];
  for (const { columns, rows = [], count } of results) {
    // Under SET NOCOUNT ON, a statement without a result is not mentioned at all.
    if (columns === undefined && count === undefined) continue;
    if (columns !== undefined) tokens.push(columnsToken(columns), ...rows.map((row) => rowToken(columns, row)));
    tokens.push(done(each, MORE | (count === undefined ? 0 : COUNT), count));
  }
  if (error !== undefined) tokens.push(errorToken(error));
  if (isRpc) tokens.push(Buffer.from([RETURN_STATUS, 0, 0, 0, 0]));
  tokens.push(done(last, error === undefined ? 0 : ERROR));
  return Buffer.concat(tokens);
}

function columnsToken(columns: Record<string, TdsType>): Buffer {
  const parts = Object.entries(columns).map(([name, type]) =>
    Buffer.concat([Buffer.from([0, 0, 0, 0, 0x09, 0]), typeInfo(type), shortText(name)]),
  );
  return Buffer.concat([Buffer.from([COLUMNS]), u16(parts.length), ...parts]);
}

function typeInfo(type: TdsType): Buffer {
  if (type === "bigint") return Buffer.from([BIGINT, 8]);
  return Buffer.concat([Buffer.from([VARBINARY]), u16(type === "varbinary(max)" ? IS_MAX : type.varbinary)]);
}

function rowToken(columns: Record<string, TdsType>, row: Record<string, unknown>): Buffer {
  const values = Object.entries(columns).map(([name, type]) => valueToken(type, row[name] ?? null));
  return Buffer.concat([Buffer.from([ROW]), ...values]);
}

function valueToken(type: TdsType, value: unknown): Buffer {
  if (type === "bigint") {
    if (value === null) return Buffer.from([0]);
    const bytes = Buffer.alloc(9);
    bytes[0] = 8;
    bytes.writeBigInt64LE(BigInt(value as bigint), 1);
    return bytes;
  }
  const isMax = type === "varbinary(max)";
  if (value === null) return Buffer.alloc(isMax ? 8 : 2, 0xff);
  const bytes = Buffer.from(value as Uint8Array);
  if (!isMax) return Buffer.concat([u16(bytes.length), bytes]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  const chunk = bytes.length === 0 ? [] : [u32(bytes.length), bytes];
  return Buffer.concat([length, ...chunk, u32(0)]);
}

function errorToken({ number, message, class: severity = 16 }: TdsError): Buffer {
  const content = Buffer.concat([
    u32(number),
    Buffer.from([1, severity]),
    u16(message.length),
    Buffer.from(message, "utf16le"),
    shortText("tds"),
    shortText(""),
    u32(1),
  ]);
  return Buffer.concat([Buffer.from([0xaa]), u16(content.length), content]);
}

/** A fault of the script is an error of the server's, so that the test shows it. */
function errorAnswer(error: unknown): Buffer {
  return Buffer.concat([errorToken({ number: 50_000, message: String(error).slice(0, 500) }), done(DONE, ERROR)]);
}

function done(token: number, status = 0, count = 0): Buffer {
  const bytes = Buffer.alloc(13);
  bytes[0] = token;
  bytes.writeUInt16LE(status, 1);
  bytes.writeBigUInt64LE(BigInt(count), 5);
  return bytes;
}

function shortText(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, "utf16le")]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** Version 16, and encryption is not supported. */
const PRELOGIN_ANSWER = Buffer.from([
  ...[0x00, 0, 11, 0, 6],
  ...[0x01, 0, 17, 0, 1],
  0xff,
  ...[16, 0, 0, 0, 0, 0],
  0x02,
]);

/** The collation of text, and the acknowledgement of a login with TDS 7.4. */
const LOGIN_ANSWER = (() => {
  const collation = Buffer.from([7, 5, 0x09, 0x04, 0xd0, 0x00, 0x34, 0]);
  const program = shortText("Microsoft SQL Server");
  const ack = Buffer.concat([Buffer.from([1, 0x74, 0, 0, 4]), program, Buffer.from([16, 0, 0, 0])]);
  return Buffer.concat([
    Buffer.from([0xe3]),
    u16(collation.length),
    collation,
    Buffer.from([0xad]),
    u16(ack.length),
    ack,
    done(DONE),
  ]);
})();
