// The Lua scripts of the Redis store.

import { hash } from "node:crypto";
import { OWNED, PLAIN } from "./format.ts";

export interface Script {
  source: string;
  sha: string;
}

export type ScriptName = keyof ReturnType<typeof scripts>;

/** The options that the text of the scripts depends on. */
interface ScriptOptions {
  prefix: string;
  /** Milliseconds for which an expired session stays; 0: Redis removes it, and there are no expiry indexes. */
  keepExpiredMs: number;
  /** The command that publishes a change: to all servers, or to the shard of its slot. Undefined: changes are not published. */
  publish: "PUBLISH" | "SPUBLISH" | undefined;
}

/** The server's clock, in milliseconds since 1970. Clocks of the callers need not agree. */
const readClock = `
  local clock = redis.call('TIME')
  local now = clock[1] * 1000 + math.floor(clock[2] / 1000)`;

/**
 * Each script is one atomic step. KEYS[1] is the session. With `keepExpiredMs`, KEYS[2] is the expiry index of its bucket.
 * Redis 6.0 has all that the scripts use. A change is published before it is written: if the server refuses to publish,
 * nothing has changed.
 */
export function scripts({ prefix, keepExpiredMs, publish }: ScriptOptions) {
  const now = keepExpiredMs ? readClock : "";
  // The key outlives the session by `keepExpiredMs`, so the session's expiry is that much earlier than the key's.
  const expiry = `
    local function expiry()
      local at = redis.pcall('PEXPIRETIME', KEYS[1])
      -- Before Redis 7.0: the clock plus the time to live, both read within one millisecond.
      while type(at) ~= 'number' do
        local before = redis.call('TIME')
        local left = redis.call('PTTL', KEYS[1])
        local after = redis.call('TIME')
        if math.floor(before[2] / 1000) == math.floor(after[2] / 1000) then
          at = after[1] * 1000 + math.floor(after[2] / 1000) + left
        end
      end
      return at - ${keepExpiredMs}
    end`;
  const orExpired = keepExpiredMs ? "or expiry() <= now" : "";
  const head = `
    ${now}
    ${keepExpiredMs ? expiry : ""}
    local head = redis.call('GETRANGE', KEYS[1], 0, 9)`;
  const checkFormat = `
    local format = string.byte(head)
    if format ~= ${PLAIN} and format ~= ${OWNED} then
      return redis.error_reply('ERR not a session of coatcheck')
    end`;
  const readOwner = (from: number) => `
    local size = redis.call('GETRANGE', KEYS[1], 16, 17)
    size = string.byte(size) * 256 + string.byte(size, 2)
    owner = redis.call('GETRANGE', KEYS[1], ${from}, 17 + size)`;
  const publishChange = (message: string) => {
    const tag = `string.sub(KEYS[1], ${byteLength(prefix) + 1}, ${byteLength(prefix) + 4})`;
    const channel = luaString(`${prefix}changes`) + (publish === "SPUBLISH" ? ` .. ${tag}` : "");
    return publish ? `redis.call('${publish}', ${channel}, ${message})` : "";
  };
  const key = `string.sub(KEYS[1], ${byteLength(prefix) + 5})`;
  // The index expires a day or more after its last session, so that one that is no longer swept does not stay.
  const addToExpiryIndex = (at: string) =>
    keepExpiredMs
      ? `redis.call('ZADD', KEYS[2], ${at}, ${key})
         if redis.call('PTTL', KEYS[2]) < ${at} - now + 86400000 then
           redis.call('PEXPIRE', KEYS[2], ${at} - now + 2 * 86400000)
         end`
      : "";
  const removeFromExpiryIndex = keepExpiredMs ? `redis.call('ZREM', KEYS[2], ${key})` : "";
  const setExpiry = (argument: string) => `
    ${keepExpiredMs ? `local at = tonumber(${argument})` : ""}
    redis.call('PEXPIREAT', KEYS[1], ${keepExpiredMs ? `at + ${keepExpiredMs}` : argument})
    ${addToExpiryIndex("at")}`;

  return {
    /**
     * ARGV: a later expiry, or ''. Gives the bytes and the expiry, which never becomes an earlier one. Nothing: there is no
     * session. A server that refuses the later expiry still gives the session, unless it is a replica.
     */
    read: script(`
      ${now}
      ${expiry}
      local function unlessReplica(reply, answer)
        if type(reply) == 'table' and reply.err and string.find(reply.err, 'READONLY', 1, true) then return reply end
        return answer
      end
      local value = redis.call('GET', KEYS[1])
      local later = tonumber(ARGV[1])
      if not value ${orExpired} then
        -- Changes nothing, and shows whether this is a replica.
        return later and unlessReplica(redis.pcall('LREM', KEYS[1], 0, ''), false)
      end
      local at = expiry()
      if later and at >= 0 and later > at then
        local reply = redis.pcall('PEXPIREAT', KEYS[1], later + ${keepExpiredMs})
        if reply == 1 then at = later end
        return unlessReplica(reply, { value, at })
      end
      return { value, at }`),

    /** ARGV: bytes, expiry. Gives '' if it was created, or the version of the session that is there. */
    create: script(`
      ${head}
      if not (head == '' ${orExpired}) then return string.sub(head, 2) end
      redis.call('SET', KEYS[1], ARGV[1])
      ${setExpiry("ARGV[2]")}
      return ''`),

    /**
     * ARGV: old version, bytes, expiry, '1' if the former ownership is to be returned.
     * Gives 0: gone, 1: conflict, 2: written, or the ownership part of the former header: written, too.
     */
    update: script(`
      ${head}
      if head == '' ${orExpired} then return 0 end
      ${checkFormat}
      local version = string.sub(head, 2)
      local to = string.sub(ARGV[2], 2, 10)
      if version ~= ARGV[1] then
        -- The client may have sent this very update before, and lost the reply.
        if version == to then return 2 end
        return 1
      end
      local owner = 2
      if format == ${OWNED} and ARGV[4] == '1' then ${readOwner(10)} end
      ${publishChange("'w' .. to .. KEYS[1]")}
      redis.call('SET', KEYS[1], ARGV[2])
      ${setExpiry("ARGV[3]")}
      return owner`),

    /** ARGV: version, or ''. Gives 0: not deleted, 1: deleted, or the ownership part of the header: deleted, too. */
    delete: script(`
      ${head}
      if head == '' ${orExpired} then return 0 end
      ${checkFormat}
      if ARGV[1] ~= '' and ARGV[1] ~= string.sub(head, 2) then return 0 end
      local owner = 1
      if format == ${OWNED} then ${readOwner(10)} end
      ${publishChange("'d' .. KEYS[1]")}
      redis.call('DEL', KEYS[1])
      ${removeFromExpiryIndex}
      return owner`),

    /** ARGV: expiry. Gives 0: gone, 1: moved, or the version and ownership parts of the header: moved, too. */
    touch: script(`
      ${head}
      if head == '' ${orExpired} then return 0 end
      ${checkFormat}
      local owner = 1
      if format == ${OWNED} then ${readOwner(1)} end
      ${setExpiry("ARGV[1]")}
      return owner`),

    /** Gives the expiry and, if there is an owner, the ownership part of the header. Nothing: there is no session. */
    entry: script(`
      ${now}
      ${expiry}
      local head = redis.call('GETRANGE', KEYS[1], 0, 9)
      if head == '' ${orExpired} then return false end
      ${checkFormat}
      local owner
      if format == ${OWNED} then ${readOwner(10)} end
      return { expiry(), owner }`),

    /**
     * Removes an expired session, and gives its bytes and expiry. Nothing: it is live or gone. If it is live, its entry in
     * the expiry index moves to its present expiry.
     */
    claim: script(`
      ${now}
      ${expiry}
      local value = redis.call('GET', KEYS[1])
      if not value then
        ${removeFromExpiryIndex}
        return false
      end
      local at = expiry()
      if at > now then
        ${addToExpiryIndex("at")}
        return false
      end
      ${publishChange("'d' .. KEYS[1]")}
      redis.call('DEL', KEYS[1])
      ${removeFromExpiryIndex}
      return { value, at }`),
  };
}

/**
 * Adds a session to its owner's index, or extends its entry. KEYS: the index. ARGV: key, the session's expiry. Gives when
 * the entry ends: later than the session by as long again as that has to live. Each call makes the entry's score larger,
 * so that `removeFromOwnerIndex` with an earlier score has no effect. Entries that have ended are removed, as their
 * sessions have expired. The index expires with its last entry.
 */
export const addToOwnerIndex = script(`
  ${readClock}
  local at = tonumber(ARGV[2])
  local ends = math.max(2 * at - now, at)
  local was = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if was and tonumber(was) >= ends then ends = tonumber(was) + 1 end
  redis.call('ZADD', KEYS[1], ends, ARGV[1])
  local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
  redis.call('PEXPIREAT', KEYS[1], last)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 60000)
  return ends`);

/** Removes a session from an owner's index, unless it was added again since. KEYS: the index. ARGV: key, its known score. */
export const removeFromOwnerIndex = script(`
  local was = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if was and tonumber(was) == tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
  return 0`);

function script(text: string): Script {
  // Without comments and indentation, which only readers of this file need.
  const source = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("--"))
    .join("\n");
  return { source, sha: hash("sha1", source) };
}

function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/** A Lua string literal, with every byte escaped. */
function luaString(text: string): string {
  return `'${[...Buffer.from(text)].map((byte) => `\\${String(byte).padStart(3, "0")}`).join("")}'`;
}
