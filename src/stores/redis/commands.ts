import type { Names } from "./layout.ts";
import { type Arg, type Channels, isUnknownScript, type Link, type Reply } from "./link.ts";
import { scripts } from "./scripts.ts";

/** What is done to one session: by a command where there is one, else by a script. `at` is its key in Redis. */
export interface Commands {
  /** Gives the bytes and the expiry, after it was moved to `touchUntil` if that is given. Null: not there. */
  get(at: string, touchUntil: number | undefined): Promise<{ bytes: Buffer; expiresAt: number } | null>;
  /** Writes the bytes where nothing is. Gives the version that is there then. */
  put(at: string, bytes: Buffer, expiresAt: number, version: string): Promise<string>;
  /** Runs a script on a session; see there. `now` is the caller's clock. */
  run(which: keyof ReturnType<typeof scripts>, at: string, argv: Arg[], now?: number): Promise<Reply>;
  /** Where changes are announced. */
  channels(): Channels;
  /** For a server that does not know the channels' command: true if there are now other channels to try. */
  fallBack(): boolean;
}

export function commands(
  link: Link,
  names: Names,
  { prefix, keep, notify }: { prefix: string; keep: number; notify: boolean },
): Commands {
  // GETEX and SET with PXAT came with Redis 6.2. A script does the same before; and if the key outlives the session.
  let native = keep === 0;
  // In a Cluster, announcements go to the one shard that the session is in; before Redis 7.0, to all servers.
  let sharded = link.cluster;
  let script = prepare();

  function prepare() {
    return scripts({ prefix, keep, announce: notify ? (sharded ? "SPUBLISH" : "PUBLISH") : undefined });
  }

  function fallBack(): boolean {
    if (!sharded) return false;
    sharded = false;
    script = prepare();
    return true;
  }

  function run(which: keyof typeof script, at: string, argv: Arg[], now = Date.now()): Promise<Reply> {
    const { sha, source } = script[which];
    const args = keep
      ? ["EVALSHA", sha, "2", at, names.dueOf(at), ...argv, String(now)]
      : ["EVALSHA", sha, "1", at, ...argv];
    return link.send(at, args).catch(async (error) => {
      if (isUnknownScript(error)) {
        try {
          return await link.send(at, ["EVAL", source, ...args.slice(2)]);
        } catch (next) {
          error = next;
        }
      }
      if (!isUnknownCommand(error) || !fallBack()) throw error;
      return run(which, at, argv, now);
    });
  }

  async function read(at: string, touchUntil: number | undefined) {
    const reply = await run("read", at, [touchUntil === undefined ? "" : String(touchUntil)]);
    if (reply === null) return null;
    const [bytes, expiresAt] = reply as [Buffer, number];
    return { bytes, expiresAt: touchUntil ?? expiresAt };
  }

  async function create(at: string, bytes: Buffer, expiresAt: number, version: string): Promise<string> {
    return String(await run("create", at, [bytes, String(expiresAt)])) || version;
  }

  return {
    get(at, touchUntil) {
      if (!native || touchUntil === undefined) return read(at, touchUntil);
      return link.send(at, ["GETEX", at, "PXAT", String(touchUntil)]).then(
        (bytes) => (bytes === null ? null : { bytes: bytes as Buffer, expiresAt: touchUntil }),
        (error) => {
          if (!isUnknownCommand(error)) throw error;
          native = false;
          return read(at, touchUntil);
        },
      );
    },

    put(at, bytes, expiresAt, version) {
      if (!native) return create(at, bytes, expiresAt, version);
      return link.send(at, ["SET", at, bytes, "PXAT", String(expiresAt), "NX"]).then(
        (reply) => (reply === null ? link.send(at, ["GETRANGE", at, "1", "9"]).then(String) : version),
        (error) => {
          if (!/syntax error/i.test(String(error))) throw error;
          native = false;
          return create(at, bytes, expiresAt, version);
        },
      );
    },

    run,
    channels: () => (sharded ? names.channels : names.channel),
    fallBack,
  };
}

function isUnknownCommand(error: unknown): boolean {
  return /unknown (redis )?command/i.test(String(error));
}
