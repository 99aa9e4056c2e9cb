// What the Redis store does to one session: commands where there are some, else a script.

import {
  type Arg,
  type Channels,
  type Connection,
  isUnknownCommand,
  isUnknownScript,
  type Reply,
} from "./connection.ts";
import { isWriteRefused, toThrow } from "./errors.ts";
import type { Names } from "./format.ts";
import { type ScriptName, scripts } from "./scripts.ts";

/** `name` is the session's key in Redis, with the prefix. */
export interface Commands {
  /** The server's time, in milliseconds since 1970. */
  time(): Promise<number>;
  /**
   * Gives the bytes and the expiry, which is moved to `touchUntil` first if that is later. Null: there is no session. A
   * server that refuses to move the expiry still gives the session.
   */
  get(name: string, touchUntil: number | undefined): Promise<Found | null>;
  /** Writes the bytes if there is no session. Gives the version of the session that then is there. */
  setIfAbsent(name: string, bytes: Buffer, expiresAt: number, version: string): Promise<string>;
  /** Runs a script on a session. */
  run(script: ScriptName, name: string, argv: Arg[]): Promise<Reply>;
  /** The channels on which changes are published. */
  channels(): Promise<Channels>;
  /** Stops using sharded channels, for a server without them. False if they were not in use. */
  avoidShardedChannels(): boolean;
}

interface Found {
  bytes: Buffer;
  expiresAt: number;
}

interface CommandOptions {
  prefix: string;
  /** Milliseconds for which an expired session stays; 0: Redis removes it. */
  keepExpiredMs: number;
  notify: boolean;
}

/** The expiry of a session that Redis was told to keep for good: the last instant that a Date can hold. */
const NEVER = 8.64e15;

/** At most this many moved expiries are remembered. */
const MAX_MOVED = 1_000;

export function createCommands(
  connection: Connection,
  names: Names,
  { prefix, keepExpiredMs, notify }: CommandOptions,
): Commands {
  // PEXPIREAT with GT, and PEXPIRETIME, came with Redis 7.0; SET with PXAT came with 6.2. Scripts replace them on an older
  // server, and with `keepExpired`.
  let canReadByCommands = keepExpiredMs === 0;
  let canCreateByCommand = keepExpiredMs === 0;
  // Sharded channels came with Redis 7.0. On an older Cluster, every server gets every change.
  let usesShardedChannels = connection.isCluster;
  /** Undefined until it is known what the servers are. */
  let scriptsByName = connection.learnKind ? undefined : buildScripts();
  /** The expiries to which reads have moved sessions. Several requests may read one session in the same millisecond. */
  const moved = new Map<string, number>();

  function buildScripts() {
    const publish = usesShardedChannels ? "SPUBLISH" : "PUBLISH";
    return scripts({ prefix, keepExpiredMs, publish: notify ? publish : undefined });
  }

  async function learnKind(): Promise<void> {
    if (scriptsByName !== undefined) return;
    await connection.learnKind!().catch(rethrow);
    usesShardedChannels = connection.isCluster;
    scriptsByName = buildScripts();
  }

  function avoidShardedChannels(): boolean {
    if (!usesShardedChannels) return false;
    usesShardedChannels = false;
    scriptsByName = buildScripts();
    return true;
  }

  function run(script: ScriptName, name: string, argv: Arg[]): Promise<Reply> {
    if (scriptsByName === undefined) return learnKind().then(() => run(script, name, argv));
    const { sha, source } = scriptsByName[script];
    const args = keepExpiredMs
      ? ["EVALSHA", sha, "2", name, names.expiryIndexOf(name), ...argv]
      : ["EVALSHA", sha, "1", name, ...argv];
    return connection.send(name, args).catch(async (error) => {
      if (isUnknownScript(error)) {
        try {
          return await connection.send(name, ["EVAL", source, ...args.slice(2)]);
        } catch (next) {
          error = next;
        }
      }
      if (!isUnknownCommand(error) || !avoidShardedChannels()) throw toThrow(connection, error);
      return run(script, name, argv);
    });
  }

  async function getByScript(name: string, touchUntil: number | undefined): Promise<Found | null> {
    const reply = await run("read", name, [touchUntil === undefined ? "" : String(touchUntil)]);
    if (reply === null) return null;
    const [bytes, expiresAt] = reply as [Buffer, number];
    return { bytes, expiresAt: expiresAt < 0 ? NEVER : expiresAt };
  }

  /** Two commands in one round trip take a third of the time of a script in Redis. */
  function getByCommands(name: string, touchUntil: number | undefined): Promise<Found | null> {
    const getting = connection.send(name, ["GET", name]) as Promise<Buffer | null>;
    const expiring =
      touchUntil === undefined
        ? connection.send(name, ["PEXPIRETIME", name])
        : connection.send(name, ["PEXPIREAT", name, String(touchUntil), "GT"]);
    expiring.catch(ignore); // it may fail first, and is looked at below
    return getting.then(
      (bytes) =>
        expiring.then(
          (answer) => (bytes === null ? null : found(name, bytes, answer as number, touchUntil)),
          (error) => foundDespite(error, name, bytes, touchUntil),
        ),
      rethrow,
    );
  }

  /** `answer`: of PEXPIREAT or, without `touchUntil`, of PEXPIRETIME. */
  function found(
    name: string,
    bytes: Buffer,
    answer: number,
    touchUntil: number | undefined,
  ): Found | null | Promise<Found | null> {
    if (touchUntil === undefined) return withExpiry(bytes, answer);
    if (answer === 1) {
      if (moved.size === MAX_MOVED) moved.clear();
      moved.set(name, touchUntil);
      return { bytes, expiresAt: touchUntil };
    }
    return moved.get(name) === touchUntil ? { bytes, expiresAt: touchUntil } : foundUntil(name, bytes);
  }

  async function foundDespite(
    error: unknown,
    name: string,
    bytes: Buffer | null,
    touchUntil: number | undefined,
  ): Promise<Found | null> {
    if (isTooOld(error)) {
      canReadByCommands = false;
      return getByScript(name, touchUntil);
    }
    if (touchUntil === undefined || !isWriteRefused(error)) return rethrow(error);
    return bytes && foundUntil(name, bytes);
  }

  /** A session that ends later, or whose expiry the server refuses to move. */
  async function foundUntil(name: string, bytes: Buffer): Promise<Found | null> {
    try {
      return withExpiry(bytes, (await connection.send(name, ["PEXPIRETIME", name])) as number);
    } catch (error) {
      if (!isTooOld(error)) return rethrow(error);
      canReadByCommands = false;
      return getByScript(name, undefined);
    }
  }

  function rethrow(error: unknown): never {
    throw toThrow(connection, error);
  }

  async function setIfAbsentByScript(name: string, bytes: Buffer, expiresAt: number, version: string) {
    return String(await run("create", name, [bytes, String(expiresAt)])) || version;
  }

  return {
    async time() {
      const [seconds, microseconds] = (await connection.send(names.channel, ["TIME"]).catch(rethrow)) as Buffer[];
      return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
    },

    get: (name, touchUntil) => (canReadByCommands ? getByCommands(name, touchUntil) : getByScript(name, touchUntil)),

    setIfAbsent(name, bytes, expiresAt, version) {
      if (!canCreateByCommand) return setIfAbsentByScript(name, bytes, expiresAt, version);
      return connection.send(name, ["SET", name, bytes, "PXAT", String(expiresAt), "NX"]).then(
        (reply) => (reply === null ? connection.send(name, ["GETRANGE", name, "1", "9"]).then(String) : version),
        (error) => {
          if (!/syntax error/i.test(String(error))) return rethrow(error);
          canCreateByCommand = false;
          return setIfAbsentByScript(name, bytes, expiresAt, version);
        },
      );
    },

    run,
    async channels() {
      await learnKind();
      return usesShardedChannels ? names.shardedChannels : names.channel;
    },
    avoidShardedChannels,
  };
}

function ignore(): void {}

/** Null: the session has ended meanwhile. */
function withExpiry(bytes: Buffer, expiresAt: number): Found | null {
  if (expiresAt === -2) return null;
  return { bytes, expiresAt: expiresAt === -1 ? NEVER : expiresAt };
}

/** True if the server does not know the command, or its option GT. */
function isTooOld(error: unknown): boolean {
  return isUnknownCommand(error) || /wrong number of arguments|syntax error|unsupported option/i.test(String(error));
}
