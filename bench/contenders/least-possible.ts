// The contender that does as little as a session needs, for comparison.
import { hash, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createClient } from "redis";
import { nodeApp } from "../apps/node.ts";
import { type Actions, type Contender, IDLE_SECONDS } from "../contender.ts";
import type { Fields } from "../session-data.ts";
import { withPlainObject } from "./plain-object.ts";

/**
 * Not a library but a lower bound: the least that can be called a session is an id in a cookie and JSON under the id's
 * hash. It does not seal, merge, detect forged ids or, in memory, expire anything.
 */
export default {
  framework: "node:http",
  names: { memory: "the least possible, memory", redis: "the least possible, redis" },
  start: (store, url) => (store === "redis" ? inRedis(url) : inMemory()),
} satisfies Contender;

interface Visit {
  session: Fields;
  /** Undefined if the session is new. */
  key: string | undefined;
  response: ServerResponse;
}

function inMemory(): Promise<number> {
  const texts = new Map<string, string>();
  const save = (visit: Visit) => texts.set(keyOf(visit), JSON.stringify(visit.session));
  const actions: Actions<Visit> = {
    ...withPlainObject,
    change(visit) {
      const count = withPlainObject.change(visit);
      save(visit);
      return count;
    },
    fill(visit) {
      withPlainObject.fill(visit);
      save(visit);
    },
    set(visit, slot) {
      withPlainObject.set(visit, slot);
      save(visit);
    },
  };
  return nodeApp(actions, (handler) => (req, res) => {
    const key = keyIn(req);
    return handler(Object.assign(req, visit(key, key && texts.get(key), res)), res);
  });
}

async function inRedis(url: string): Promise<number> {
  // No time limit: node-redis would create an AbortSignal for each command.
  const client = createClient({ url, commandOptions: { timeout: 0 } });
  await client.connect();
  const save = async (visit: Visit) => {
    await client.set(keyOf(visit), JSON.stringify(visit.session), { EX: IDLE_SECONDS });
  };
  const open = async (req: IncomingMessage, res: ServerResponse) => {
    const key = keyIn(req);
    return visit(key, key && (await client.getEx(key, { type: "EX", value: IDLE_SECONDS })), res);
  };
  return nodeApp<Visit>(
    withPlainObject,
    (handler) => async (req, res) => handler(Object.assign(req, await open(req, res)), res),
    save,
  );
}

function visit(key: string | undefined, text: string | null | undefined, response: ServerResponse): Visit {
  const session = (text ? JSON.parse(text) : {}) as Fields;
  return { session, key: text ? key : undefined, response };
}

const NAME = "id=";
const ID_CHARS = 32;

function keyIn({ headers: { cookie = "" } }: IncomingMessage): string | undefined {
  const at = cookie.indexOf(NAME);
  return at === -1 ? undefined : keyFor(cookie.slice(at + NAME.length, at + NAME.length + ID_CHARS));
}

/** The session's key. A new session gets its id here, and the response its cookie. */
function keyOf(visit: Visit): string {
  if (visit.key !== undefined) return visit.key;
  const id = newId();
  visit.response.setHeader("Set-Cookie", `${NAME}${id}; Path=/; HttpOnly; SameSite=Lax`);
  visit.response.setHeader("Cache-Control", "no-store");
  return keyFor(id);
}

function keyFor(id: string): string {
  return hash("sha256", id, "base64url");
}

let pool = "";
let used = 0;

function newId(): string {
  if (used === pool.length) {
    pool = randomBytes(24 * 128).toString("base64url");
    used = 0;
  }
  used += ID_CHARS;
  return pool.slice(used - ID_CHARS, used);
}
