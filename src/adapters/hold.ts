// The response that is held back, and the sessions that it waits for.

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TicketHeader } from "../index.ts";
import type { Arguments, Method } from "./held-response/node-checks.ts";

/** What is needed of a session. */
export interface HeldSession {
  commit(): string[] | Promise<string[]>;
  discard(): void;
  readonly isUsed: boolean;
  readonly ticketHeader: TicketHeader | undefined;
  /** True: the response gets the cookies and no other header. */
  readonly cookiesOnly?: true;
  readonly watchesLateChanges: boolean;
  reportLateChanges(): void;
}

/** A session that a response waits for. */
export interface Entry {
  readonly session: HeldSession;
  readonly req: object;
  /** Where the request has the session. Undefined: nowhere any more. */
  property: string | undefined;
  saveFailed: boolean;
  /** Another session on the same response. */
  next: Entry | undefined;
}

export type AnyMethod = (...args: Arguments) => unknown;
export type HeldMethod = Method | "destroy" | "destroySocket";

export interface Hold extends Entry, Record<Method, AnyMethod> {
  fail: (error: unknown) => void;
  /** `failed`: an error's response takes the place of the one that was held. `cut`: it is sent as far as it was held. */
  phase: "open" | "holding" | "released" | "failed" | "cut";
  calls: [HeldMethod, Arguments][] | undefined;
  /** The response that is held is complete. */
  hasEnded: boolean;
  /** The response that is held is destroyed after what was sent of it. */
  isDestroyed: boolean;
  /** So is its connection. */
  isCut: boolean;
  statusCode: number;
  statusMessage?: string;
  socket?: HeldSocket;
  /** The response's own methods, which are replaced only while calls are held. */
  destroy?: AnyMethod;
  headerMethods?: Pick<ServerResponse, "setHeader" | "appendHeader" | "removeHeader">;
}

/** Where a response has what belongs to it. */
export const HOLD = Symbol("coatcheck.hold");

export type HeldResponse = Omit<ServerResponse, Method | "destroy"> & { [HOLD]: Hold; destroy: AnyMethod } & Record<
    Method,
    AnyMethod
  >;

/** The response that a connection has to send first. */
export const HELD = Symbol("coatcheck.held");
/** The connection's own method. */
export const DESTROY = Symbol("coatcheck.destroy");

export type HeldSocket = Socket & { [HELD]?: HeldResponse | undefined; [DESTROY]?: Socket["destroy"] };
