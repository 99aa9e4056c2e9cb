// The lives of tickets: which session each opens, and when it ends.
import type { Operation, SessionLimits } from "../history.ts";
import type { Violation } from "./violation.ts";

/** The share of the idle timeout that a session certainly lasts after an answer: renewing saves writes, and answers travel. */
const IDLE_SHARE = 0.6;
/** A readonly request waits for no other one. If its answer is late by this share of the idle timeout, renewals may be, too. */
const SLOW_SHARE = 0.2;
/** A server that asked a slow store for its time may be off by as many milliseconds: half of the time limit of a call. */
const CLOCK_ERROR_MS = 1_000;

interface Life {
  /** The ticket's id. */
  id: string;
  /** The session that the ticket opens. */
  root: string;
  born: Operation;
  /** From then on it may have ended. */
  endFrom: number;
  /** By then it had certainly ended. */
  endedAt: number;
  /** The operation that ended it. */
  ending: Operation | undefined;
  /** Answered operations that found the session with this ticket, or began it. Each keeps the session for a while. */
  uses: Operation[];
}

export class Lives {
  readonly #lives = new Map<string, Life>();
  readonly #byRoot = new Map<string, Life[]>();
  readonly #idleTimeout: number;
  /** Spans in which servers or store were too slow to renew sessions in time. */
  readonly #slow: readonly (readonly [from: number, to: number])[];

  constructor(operations: readonly Operation[], { visibleAfter, idleTimeout, absoluteTimeout }: SessionLimits) {
    this.#idleTimeout = idleTimeout ?? Infinity;
    this.#slow = idleTimeout === undefined ? [] : operations.flatMap((operation) => slowSpan(operation, idleTimeout));
    // A session's tickets follow each other: in the order of their answers, each is known before its first use.
    const arrived = operations.filter(({ got }) => got !== undefined).sort((a, b) => arrival(a) - arrival(b));
    for (const operation of arrived) this.#begin(operation.got!, operation);
    for (const operation of operations) if (isEnding(operation)) this.#mayEnd(operation);
    for (const operation of operations) if (isLogout(operation)) this.#mayEndSuccessors(operation);
    this.#revoke(operations, visibleAfter);
    for (const operation of operations) this.#use(operation);
    if (absoluteTimeout !== undefined) this.#limit(operations, absoluteTimeout - CLOCK_ERROR_MS);
  }

  /** The name of an operation's session, if it is known. */
  rootOf({ seen, sent, outcome, id, got, name }: Operation): string | undefined {
    if (outcome === "unknown") return this.#lives.get(sent ?? "")?.root ?? (got === undefined ? undefined : name);
    if (id !== undefined) return seen?.root ?? this.#lives.get(id)?.root;
    return got === undefined ? undefined : name;
  }

  mayHaveEnded(id: string, before: number): boolean {
    return (this.#lives.get(id)?.endFrom ?? 0) < before;
  }

  /** Violations by requests that found a session, or did not find one. */
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
          anomaly: "foreign data",
          message: "a request found a session whose ticket it had not sent",
          operations: [operation],
        },
      ];
    }
    if (sent === undefined || life === undefined) return [];
    if (id === undefined) {
      if (this.#mayBeOver(life, end)) return [];
      const message = `session ${life.root} was not found, but had not ended`;
      return [{ anomaly: "lost session", message, operations: [life.born, operation] }];
    }
    if (life.endedAt < call) {
      const message = `session ${life.root} was found after its end was acknowledged`;
      return [{ anomaly: "revived session", message, operations: [life.born, life.ending!, operation] }];
    }
    if (seen?.root !== life.root) {
      const message = `the ticket of session ${life.root} opened session ${seen?.root}`;
      return [{ anomaly: "foreign data", message, operations: [life.born, operation] }];
    }
    return [];
  }

  /** After the last request, the store holds the sessions that have not ended, and no others. */
  #checkCensus(census: Operation): Violation[] {
    const violations: Violation[] = [];
    const stored = new Set<string>();
    for (const id of census.census!) {
      stored.add(id);
      // A create whose answer was lost may leave a record whose ticket no browser has. It expires unused.
      const life = this.#lives.get(id);
      if (life === undefined || life.endedAt > census.call) continue;
      const message = `session ${life.root} is in the store after its end was acknowledged`;
      const operations = [life.born, life.ending!, census];
      violations.push({ anomaly: "revived session", message, operations: operations.map(withoutCensus) });
    }
    for (const life of this.#lives.values()) {
      if (stored.has(life.id) || this.#mayBeOver(life, census.end)) continue;
      const message = `session ${life.root} is not in the store, but has not ended`;
      violations.push({ anomaly: "lost session", message, operations: [life.born, census].map(withoutCensus) });
    }
    return violations;
  }

  #begin(id: string, operation: Operation): void {
    const root = this.rootOf(operation) ?? operation.name;
    // A ticket that came with an error may open nothing.
    const endFrom = operation.outcome === "unknown" ? operation.call : Infinity;
    const life = { id, root, born: operation, endFrom, endedAt: Infinity, ending: undefined, uses: [] };
    this.#lives.set(id, life);
    const siblings = this.#byRoot.get(root);
    if (siblings) siblings.push(life);
    else this.#byRoot.set(root, [life]);
  }

  /** The session is kept while a request runs, and for a while after it. */
  #use(operation: Operation): void {
    const { outcome, got, sent, id } = operation;
    if (outcome !== "done") return;
    if (got !== undefined) this.#lives.get(got)?.uses.push(operation);
    if (id !== undefined && id === sent) this.#lives.get(id)?.uses.push(operation);
  }

  /** A session ends this long after it began, with all of its tickets. */
  #limit(operations: readonly Operation[], lifetime: number): void {
    for (const { name, call } of operations) {
      for (const life of this.#byRoot.get(name) ?? []) life.endFrom = Math.min(life.endFrom, call + lifetime);
    }
  }

  /** True if the session may have ended by then: by a request, by its age, or because no request used it. */
  #mayBeOver({ endFrom, uses }: Life, by: number): boolean {
    if (endFrom < by) return true;
    const idleTimeout = this.#idleTimeout;
    if (idleTimeout === Infinity) return false;
    return (
      uses.every(({ call, end }) => call > by || end + IDLE_SHARE * idleTimeout < by) ||
      this.#slow.some(([from, to]) => from < by && to > by - 2 * idleTimeout)
    );
  }

  /** A logout or a login ends the ticket that it sent: certainly if the answer says so, perhaps if stored is no answer. */
  #mayEnd(operation: Operation): void {
    const life = this.#lives.get(operation.sent!);
    if (life === undefined) return;
    life.endFrom = Math.min(life.endFrom, operation.call);
    if (operation.outcome === "done") end(life, operation);
  }

  /**
   * A logout whose ticket was replaced just before, or is replaced while the logout runs, ends the session under its present
   * ticket. A login that began after the logout's answer is not touched by it.
   */
  #mayEndSuccessors({ sent, call, end }: Operation): void {
    const replaced = this.#lives.get(sent!);
    if (replaced === undefined) return;
    for (const life of this.#byRoot.get(replaced.root)!) {
      if (life !== replaced && life.born.call < end) life.endFrom = Math.min(life.endFrom, call);
    }
  }

  /** A revocation ends the sessions that its owner had before it, and may end those that the owner gets meanwhile. */
  #revoke(operations: readonly Operation[], visibleAfter = 0): void {
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
          if (revocation.outcome === "done" && login.end < revocation.call) end(life, revocation, visibleAfter);
        }
      }
    }
  }
}

function isEnding({ kind, sent, id, outcome }: Operation): boolean {
  if (sent === undefined || (kind !== "login" && kind !== "logout")) return false;
  return outcome === "unknown" || (outcome === "done" && id === sent);
}

function isLogout({ kind, sent, outcome }: Operation): boolean {
  return kind === "logout" && sent !== undefined && outcome !== "dropped";
}

function end(life: Life, operation: Operation, visibleAfter = 0): void {
  if (operation.end + visibleAfter >= life.endedAt) return;
  life.endedAt = operation.end + visibleAfter;
  life.ending = operation;
}

/** When the browser got the answer. For unknown outcomes, the time of the call. */
function arrival({ call, end }: Operation): number {
  return Number.isFinite(end) ? end : call;
}

function slowSpan({ mode, call, end, think, reason }: Operation, idleTimeout: number): [from: number, to: number][] {
  if (mode !== "readonly") return [];
  // The store was too slow for an answer.
  if (reason === "503") return [[call, call + 2 * idleTimeout]];
  return Number.isFinite(end) && end - call - think > SLOW_SHARE * idleTimeout ? [[call, end]] : [];
}

function withoutCensus(operation: Operation): Operation {
  return operation.kind === "census" ? { ...operation, census: [] } : operation;
}
