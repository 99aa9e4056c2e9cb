import type { Operation } from "../history.ts";
import type { Violation } from "./violation.ts";

/** One ticket's life. */
interface Life {
  id: string;
  /** The session that it opens. */
  root: string;
  born: Operation;
  /** From when on it may have ended, and by what. */
  endFrom: number;
  /** When it had surely ended. */
  endedAt: number;
  ending: Operation | undefined;
}

/** Which tickets open which session, and when they stop doing so. */
export class Lives {
  readonly #lives = new Map<string, Life>();
  readonly #byRoot = new Map<string, Life[]>();

  constructor(operations: readonly Operation[], noticedAfter = 0) {
    // A session's tickets follow each other, so by the time of their answers each is known before it is used.
    const arrived = operations.filter(({ got }) => got !== undefined).sort((a, b) => arrival(a) - arrival(b));
    for (const operation of arrived) this.#isBorn(operation.got!, operation);
    for (const operation of operations) if (isEnding(operation)) this.#mayEnd(operation);
    this.#revoke(operations, noticedAfter);
  }

  /** The name of the session that an operation was about, as far as that is known. */
  rootOf({ seen, sent, outcome, id, got, name }: Operation): string | undefined {
    if (outcome === "unknown") return this.#lives.get(sent ?? "")?.root ?? (got === undefined ? undefined : name);
    if (id !== undefined) return seen?.root ?? this.#lives.get(id)?.root;
    return got === undefined ? undefined : name;
  }

  mayHaveEnded(id: string, before: number): boolean {
    return (this.#lives.get(id)?.endFrom ?? 0) < before;
  }

  /** What is wrong with the sessions that requests found, or did not find. */
  violations(operations: readonly Operation[]): Violation[] {
    return operations.flatMap((operation) => {
      if (operation.outcome === "unknown" || operation.kind === "revoke") return [];
      if (operation.kind === "census") return this.#checkCensus(operation);
      return this.#checkFound(operation);
    });
  }

  #checkFound(operation: Operation): Violation[] {
    const { sent, id, seen, call, end } = operation;
    const life = sent === undefined ? undefined : this.#lives.get(sent);
    if (id !== sent && id !== undefined) {
      return [
        {
          wrong: "foreign data",
          message: `a request found a session whose ticket it had not sent`,
          operations: [operation],
        },
      ];
    }
    if (sent === undefined || life === undefined) return [];
    if (id === undefined) {
      if (life.endFrom < end) return [];
      const message = `session ${life.root} was not found, and nobody had ended it`;
      return [{ wrong: "lost session", message, operations: [life.born, operation] }];
    }
    if (life.endedAt < call) {
      const message = `session ${life.root} was there after its end was acknowledged`;
      return [{ wrong: "revived session", message, operations: [life.born, life.ending!, operation] }];
    }
    if (seen?.root !== life.root) {
      const message = `the ticket of session ${life.root} opened session ${seen?.root}`;
      return [{ wrong: "foreign data", message, operations: [life.born, operation] }];
    }
    return [];
  }

  /** When all is quiet, what lives is in the store, and what has ended is not. */
  #checkCensus(census: Operation): Violation[] {
    const violations: Violation[] = [];
    const there = new Set<string>();
    for (const id of census.census!) {
      there.add(id);
      // A create whose answer was lost may leave a record whose ticket nobody has. It opens nothing, and expires.
      const life = this.#lives.get(id);
      if (life === undefined || life.endedAt > census.call) continue;
      const message = `session ${life.root} is in the store after its end was acknowledged`;
      const operations = [life.born, life.ending!, census];
      violations.push({ wrong: "revived session", message, operations: operations.map(withoutCensus) });
    }
    for (const life of this.#lives.values()) {
      if (there.has(life.id) || life.endFrom < census.end) continue;
      const message = `session ${life.root} is not in the store, and nobody had ended it`;
      violations.push({ wrong: "lost session", message, operations: [life.born, census].map(withoutCensus) });
    }
    return violations;
  }

  #isBorn(id: string, operation: Operation): void {
    const root = this.rootOf(operation) ?? operation.name;
    // Who was told of an error, and got a ticket all the same, may have got one that opens nothing.
    const endFrom = operation.outcome === "unknown" ? operation.call : Infinity;
    const life = { id, root, born: operation, endFrom, endedAt: Infinity, ending: undefined };
    this.#lives.set(id, life);
    const siblings = this.#byRoot.get(root);
    if (siblings) siblings.push(life);
    else this.#byRoot.set(root, [life]);
  }

  /** A logout or a login ends the ticket that it came with: surely if the answer says so, perhaps if there is none. */
  #mayEnd(operation: Operation): void {
    const life = this.#lives.get(operation.sent!);
    if (life === undefined) return;
    life.endFrom = Math.min(life.endFrom, operation.call);
    if (operation.outcome === "done") end(life, operation);
  }

  /** A revocation ends what its owner had surely before it, and may end what came under the owner meanwhile. */
  #revoke(operations: readonly Operation[], noticedAfter: number): void {
    const logins = new Map<string, Operation[]>();
    for (const login of operations) {
      if (login.kind !== "login" || login.outcome === "dropped") continue;
      const ofOwner = logins.get(login.owner!);
      if (ofOwner) ofOwner.push(login);
      else logins.set(login.owner!, [login]);
    }
    for (const revocation of operations) {
      if (revocation.kind !== "revoke") continue;
      for (const login of logins.get(revocation.owner!) ?? []) {
        if (login.call > revocation.end) continue;
        for (const life of this.#byRoot.get(this.rootOf(login) ?? login.name) ?? []) {
          life.endFrom = Math.min(life.endFrom, revocation.call);
          if (revocation.outcome === "done" && login.end < revocation.call) end(life, revocation, noticedAfter);
        }
      }
    }
  }
}

function isEnding({ kind, sent, id, outcome }: Operation): boolean {
  if (sent === undefined || (kind !== "login" && kind !== "logout")) return false;
  return outcome === "unknown" || (outcome === "done" && id === sent);
}

function end(life: Life, operation: Operation, noticedAfter = 0): void {
  if (operation.end + noticedAfter >= life.endedAt) return;
  life.endedAt = operation.end + noticedAfter;
  life.ending = operation;
}

/** When the browser had the answer's headers; for unknown outcomes some time after the call. */
function arrival({ call, end }: Operation): number {
  return Number.isFinite(end) ? end : call;
}

function withoutCensus(operation: Operation): Operation {
  return operation.kind === "census" ? { ...operation, census: [] } : operation;
}
