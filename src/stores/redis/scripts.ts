import { hash } from "node:crypto";
import { OWNED, PLAIN } from "./layout.ts";

export interface Script {
  source: string;
  sha: string;
}

/** What the scripts' text depends on. */
export interface ScriptOptions {
  prefix: string;
  /** Milliseconds that an expired session's key stays; 0: none, and there are no expiry indexes. */
  keep: number;
  /** How a change is announced: to all of Redis, to the slot's shard, or not. */
  announce: "PUBLISH" | "SPUBLISH" | undefined;
}

/**
 * One script is one atomic step. KEYS[1] is the session; with `keep`, KEYS[2] is its bucket's expiry index and the last
 * argument the caller's clock. They use what Redis 6.0 has, and the announcement comes before the write: if it is
 * refused, nothing has changed.
 */
export function scripts({ prefix, keep, announce }: ScriptOptions) {
  const now = keep ? "local now = tonumber(ARGV[#ARGV])" : "";
  // The key outlives the session by `keep`, so the session's own end is that much earlier.
  const expiry = `
    local function expiry()
      local at = redis.pcall('PEXPIRETIME', KEYS[1])
      -- Before Redis 7.0: from how long it has to live, taken within one millisecond of the clock.
      while type(at) ~= 'number' do
        local before = redis.call('TIME')
        local left = redis.call('PTTL', KEYS[1])
        local after = redis.call('TIME')
        if math.floor(before[2] / 1000) == math.floor(after[2] / 1000) then
          at = after[1] * 1000 + math.floor(after[2] / 1000) + left
        end
      end
      return at - ${keep}
    end`;
  const ended = keep ? "or expiry() <= now" : "";
  const head = `
    ${now}
    ${keep ? expiry : ""}
    local head = redis.call('GETRANGE', KEYS[1], 0, 9)`;
  const format = `
    local format = string.byte(head)
    if format ~= ${PLAIN} and format ~= ${OWNED} then
      return redis.error_reply('ERR not a session of coatcheck')
    end`;
  const owner = (from: number) => `
    local size = redis.call('GETRANGE', KEYS[1], 16, 17)
    size = string.byte(size) * 256 + string.byte(size, 2)
    owner = redis.call('GETRANGE', KEYS[1], ${from}, 17 + size)`;
  const tell = (message: string) => {
    const channel =
      announce === "SPUBLISH" ? ` .. string.sub(KEYS[1], ${bytes(prefix) + 1}, ${bytes(prefix) + 4})` : "";
    return announce ? `redis.call('${announce}', ${literal(`${prefix}changes`)}${channel}, ${message})` : "";
  };
  const key = `string.sub(KEYS[1], ${bytes(prefix) + 5})`;
  // A day longer than the last session that it names: an index that nobody sweeps any more goes, too.
  const file = (at: string) =>
    keep
      ? `redis.call('ZADD', KEYS[2], ${at}, ${key})
         if redis.call('PTTL', KEYS[2]) < ${at} - now + 86400000 then
           redis.call('PEXPIRE', KEYS[2], ${at} - now + 2 * 86400000)
         end`
      : "";
  const unfile = keep ? `redis.call('ZREM', KEYS[2], ${key})` : "";
  const endAt = (argument: string) => `
    ${keep ? `local at = tonumber(${argument})` : ""}
    redis.call('PEXPIREAT', KEYS[1], ${keep ? `at + ${keep}` : argument})
    ${file("at")}`;

  return {
    /** ARGV: the new expiry, or ''. Gives the bytes and the expiry that they had, or nothing. */
    read: script(`
      ${now}
      ${expiry}
      local value = redis.call('GET', KEYS[1])
      if not value ${ended} then return false end
      if ARGV[1] ~= '' then
        redis.call('PEXPIREAT', KEYS[1], tonumber(ARGV[1]) + ${keep})
        return { value }
      end
      return { value, expiry() }`),

    /** ARGV: bytes, expiry. Gives '', or the version of the session that is there. */
    create: script(`
      ${head}
      if not (head == '' ${ended}) then return string.sub(head, 2) end
      redis.call('SET', KEYS[1], ARGV[1])
      ${endAt("ARGV[2]")}
      return ''`),

    /**
     * ARGV: old version, bytes, expiry, '1' if the former owner is asked for.
     * Gives 0: gone, 1: conflict, 2: written, or the ownership part of the former header: written.
     */
    update: script(`
      ${head}
      if head == '' ${ended} then return 0 end
      ${format}
      local version = string.sub(head, 2)
      local to = string.sub(ARGV[2], 2, 10)
      if version ~= ARGV[1] then
        -- The client may have sent this very update before and lost the answer.
        if version == to then return 2 end
        return 1
      end
      local owner = 2
      if format == ${OWNED} and ARGV[4] == '1' then ${owner(10)} end
      ${tell("'w' .. to .. KEYS[1]")}
      redis.call('SET', KEYS[1], ARGV[2])
      ${endAt("ARGV[3]")}
      return owner`),

    /** ARGV: version, or ''. Gives 0: not deleted, 1: deleted, or the ownership part of the header: deleted. */
    delete: script(`
      ${head}
      if head == '' ${ended} then return 0 end
      ${format}
      if ARGV[1] ~= '' and ARGV[1] ~= string.sub(head, 2) then return 0 end
      local owner = 1
      if format == ${OWNED} then ${owner(10)} end
      ${tell("'d' .. KEYS[1]")}
      redis.call('DEL', KEYS[1])
      ${unfile}
      return owner`),

    /** ARGV: expiry. Gives 0: gone, 1: moved, or version and ownership part of the header: moved. */
    touch: script(`
      ${head}
      if head == '' ${ended} then return 0 end
      ${format}
      local owner = 1
      if format == ${OWNED} then ${owner(1)} end
      ${endAt("ARGV[1]")}
      return owner`),

    /** Gives the expiry and, if it has an owner, the ownership part of the header; or nothing. */
    entry: script(`
      ${now}
      ${expiry}
      local head = redis.call('GETRANGE', KEYS[1], 0, 9)
      if head == '' ${ended} then return false end
      ${format}
      local owner
      if format == ${OWNED} then ${owner(10)} end
      return { expiry(), owner }`),

    /** Takes an expired session: gives its bytes and expiry, or nothing if it lives or is gone. Files it anew if it lives. */
    claim: script(`
      ${now}
      ${expiry}
      local value = redis.call('GET', KEYS[1])
      if not value then
        ${unfile}
        return false
      end
      local at = expiry()
      if at > now then
        ${file("at")}
        return false
      end
      ${tell("'d' .. KEYS[1]")}
      redis.call('DEL', KEYS[1])
      ${unfile}
      return { value, at }`),
  };
}

/**
 * Puts a session on its owner's index, or keeps it there for longer. KEYS: the index. ARGV: key, until when.
 * Gives until when it stays there. An entry's score only grows, and by each call: see `forget`.
 * Entries whose time is over name sessions that have ended, and go; the index goes with its last entry.
 */
export const remember = script(`
  local till = tonumber(ARGV[2])
  local was = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if was and tonumber(was) >= till then till = tonumber(was) + 1 end
  redis.call('ZADD', KEYS[1], till, ARGV[1])
  local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
  redis.call('PEXPIREAT', KEYS[1], last)
  -- What the index has to live tells the server's clock.
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', last - redis.call('PTTL', KEYS[1]) - 60000)
  return till`);

/** Takes a session off an owner's index, unless somebody has put it there again since. ARGV: key, the score it had. */
export const forget = script(`
  local was = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if was and tonumber(was) == tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
  return 0`);

function script(text: string): Script {
  // Comments and indentation are for the reader here.
  const source = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("--"))
    .join("\n");
  return { source, sha: hash("sha1", source) };
}

function bytes(text: string): number {
  return Buffer.byteLength(text);
}

/** A Lua string, whatever is in it. */
function literal(text: string): string {
  return `'${[...Buffer.from(text)].map((byte) => `\\${String(byte).padStart(3, "0")}`).join("")}'`;
}
