// Several accounts in one browser: the sessions that are set aside, and which of all is active in the next request.

import { accountsText, MAX_ACCOUNTS, readAccounts, type SetAside } from "../cookies/accounts-cookie.ts";
import { cookieHeader } from "../cookies/request-source.ts";
import type { Ticket } from "../cookies/ticket.ts";
import { CapabilityError, CoatcheckError } from "../errors.ts";
import { clientOf } from "../records/client.ts";
import { SessionExpiry } from "../records/expiry.ts";
import { findRecord, type LoadedRecord } from "../records/record-store.ts";
import { isReplaced } from "../records/ticket-age.ts";
import type { BrowserAccount, BrowserAccounts } from "../session.ts";
import type { SessionContext } from "./context.ts";
import { endRegenerated } from "./end-regenerated.ts";
import type { RequestInfo } from "./request-info.ts";
import { responseCookies } from "./response-cookies.ts";

/** What the accounts need of the request's session. */
interface ActiveSession {
  /** Undefined: the session is not in the store, or has ended. */
  readonly active: LoadedRecord | undefined;
  /** @throws SessionClosedError */
  checkWritable(): void;
  destroy(): Promise<void>;
}

/** What the next request has. Undefined: what this one leaves. */
type Next = "nobody" | LoadedRecord | undefined;

class Accounts implements BrowserAccounts {
  readonly #context: SessionContext;
  readonly #info: RequestInfo;
  readonly #session: ActiveSession;
  /** Set aside before this request, and still there. */
  #others: readonly SetAside[];
  #next: Next;
  #hasChanged = false;
  /** Which accounts cookies the browser has: of accounts that stay when it closes (true), and of others. */
  readonly #presented = new Set<boolean>();

  /** @throws CapabilityError, CoatcheckError if the browser can't hold several. */
  constructor(context: SessionContext, info: RequestInfo, session: ActiveSession) {
    if (context.store.inCookie) {
      const why = "a browser has no room for several sealed cookies: use a server-side store";
      throw new CapabilityError("session.accounts", "delete", why);
    }
    if (info.usesHeader || info.isDetached) throw noCookiesError();
    if (info.legacy?.keepsCopies) throw keptError();
    this.#context = context;
    this.#info = info;
    this.#session = session;
    const header = info.mode === "off" ? undefined : cookieHeader(info.source);
    const values = [false, true].flatMap((isKept) => {
      const found = context.cookie.findAccounts(header, info.secure, isKept);
      if (found.length > 0) this.#presented.add(isKept);
      return found;
    });
    const { others, forged } = readAccounts(values, context.signer, session.active?.ticket);
    this.#others = others;
    if (forged > 0) context.events.emit("forged", {});
  }

  async list(): Promise<BrowserAccount[]> {
    const { active } = this.#session;
    const found = await Promise.all(this.#others.map(({ ticket }) => this.#find(ticket)));
    const ended = this.#others.filter((_, i) => found[i] === undefined);
    for (const { ticket } of ended) this.#forget(ticket);
    const others = found.filter((one) => one !== undefined).map((one) => this.#account(one, false));
    return active === undefined ? others : [this.#account(active, true), ...others];
  }

  add(): void {
    this.#session.checkWritable();
    const { active } = this.#session;
    if (active === undefined) return; // the next request begins with nobody anyway
    if (this.#others.length + 2 > MAX_ACCOUNTS) throw tooManyError();
    this.#next = "nobody";
    this.#hasChanged = true;
  }

  async switchTo(id: string): Promise<boolean> {
    this.#session.checkWritable();
    if (id === this.#session.active?.ticket.key) {
      this.#next = undefined;
      return true;
    }
    const other = this.#others.find(({ ticket }) => ticket.key === id);
    const found = other && (await this.#find(other.ticket));
    if (found === undefined) {
      if (other !== undefined) this.#forget(other.ticket);
      return false;
    }
    this.#next = found;
    this.#hasChanged = true;
    return true;
  }

  async end(id: string): Promise<boolean> {
    this.#session.checkWritable();
    if (id === this.#session.active?.ticket.key) {
      await this.#session.destroy();
      return true;
    }
    const other = this.#others.find(({ ticket }) => ticket.key === id);
    return other !== undefined && this.#end(other.ticket);
  }

  async endAll(): Promise<void> {
    this.#session.checkWritable();
    await Promise.all(this.#others.map(({ ticket }) => this.#end(ticket)));
    await this.#session.destroy();
  }

  /** The `Set-Cookie` values of the response. `own`: those of the request's session. */
  cookies(own: string[]): string[] {
    if (!this.#hasChanged) return own;
    const { active } = this.#session;
    const next = this.#next;
    const stays = this.#others.filter(({ ticket }) => typeof next !== "object" || ticket.key !== next.ticket.key);
    const others = next === undefined || active === undefined ? stays : [...stays, this.#setAside(active)];
    return [...(next === undefined ? own : this.#nextCookies(next)), ...this.#accountsCookies(others)];
  }

  /** An account that is not remembered must not stay because another one is: each kind has a cookie of its own. */
  #accountsCookies(others: readonly SetAside[]): string[] {
    const now = this.#context.clock.now();
    const brief = others.filter(({ until }) => until === undefined);
    const kept = others.filter(({ until = 0 }) => until * 1000 > now);
    const maxAge = Math.max(...kept.map(({ until = 0 }) => until * 1000)) - now;
    return [...this.#accountsCookie(brief, false, undefined), ...this.#accountsCookie(kept, true, maxAge)];
  }

  #accountsCookie(accounts: readonly SetAside[], isKept: boolean, maxAge: number | undefined): string[] {
    const { cookie } = this.#context;
    const { secure } = this.#info;
    if (accounts.length > 0) return [cookie.issueAccounts(accountsText(accounts), secure, maxAge)];
    return this.#presented.has(isKept) ? [cookie.clearAccounts(secure, isKept)] : [];
  }

  #nextCookies(next: "nobody" | LoadedRecord): string[] {
    const context = this.#context;
    const loaded = next === "nobody" ? undefined : next;
    const expiry = new SessionExpiry(context, loaded);
    const action = loaded === undefined ? "clear" : "issue";
    return responseCookies(context, this.#info, action, loaded?.ticket, undefined, loaded?.record, expiry);
  }

  #setAside(active: LoadedRecord): SetAside {
    const age = new SessionExpiry(this.#context, active).cookieAge();
    const until = age === undefined ? undefined : Math.ceil((this.#context.clock.now() + age) / 1000);
    return { ticket: active.ticket, until };
  }

  /** Undefined: the session has ended, or a renewal has replaced the ticket, which then opens nothing here either. */
  async #find(ticket: Ticket): Promise<LoadedRecord | undefined> {
    const { clock } = this.#context;
    await clock.ready();
    const found = await findRecord(this.#context, ticket, 1, false, true);
    return found !== undefined && isReplaced(clock, ticket, found.record) ? undefined : found;
  }

  async #end(ticket: Ticket): Promise<boolean> {
    const { store, events, inFlight } = this.#context;
    const found = await this.#find(ticket);
    const isEnded = found !== undefined && (await inFlight.track(store.delete(ticket.key)));
    if (isEnded) events.ended(ticket.key, "destroyed", found.record);
    this.#forget(ticket);
    // A request that began before the account was set aside may have given it another ticket.
    return isEnded || endRegenerated(this.#context, [ticket.key]);
  }

  #forget({ key }: Ticket): void {
    this.#others = this.#others.filter(({ ticket }) => ticket.key !== key);
    if (typeof this.#next === "object" && this.#next.ticket.key === key) this.#next = "nobody";
    this.#hasChanged = true;
  }

  #account({ ticket, record, expiresAt }: LoadedRecord, isActive: boolean): BrowserAccount {
    return {
      id: ticket.key,
      owner: record.owner,
      isActive,
      expiresAt,
      client: clientOf(record),
      data: record.data(this.#context.clock.now()),
    };
  }
}

/** What the accounts need of a session's state. */
interface ActiveState {
  readonly context: SessionContext;
  readonly info: RequestInfo;
  readonly loaded: LoadedRecord | undefined;
  nextTicket(): Ticket | undefined;
}

/** The accounts of requests that have asked for them. Outside of the state, since few do. */
const opened = new WeakMap<ActiveState, Accounts>();

/** The accounts of a request that has asked for them. */
export function accountsOf(state: ActiveState): Accounts | undefined {
  return opened.get(state);
}

/** The accounts of the browser. @throws CapabilityError, CoatcheckError */
export function openAccounts(state: ActiveState, session: Omit<ActiveSession, "active">): Accounts {
  const known = opened.get(state);
  if (known !== undefined) return known;
  const accounts = new Accounts(state.context, state.info, {
    ...session,
    get active() {
      const { loaded } = state;
      return loaded && { ...loaded, ticket: state.nextTicket() ?? loaded.ticket };
    },
  });
  opened.set(state, accounts);
  return accounts;
}

function tooManyError(): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_ACCOUNTS",
    `coatcheck: this browser holds ${MAX_ACCOUNTS} accounts, which are the most. End one of them first: session.accounts.end(id).`,
    { status: 409 },
  );
}

function noCookiesError(): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_ACCOUNTS",
    "coatcheck: session.accounts lives in the browser's cookies, and this client has none here: it sends its ticket in a header, or talks over an open connection.",
  );
}

function keptError(): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_ACCOUNTS",
    "coatcheck: session.accounts can't be used while sessions are kept in another package, which knows one session of a browser. Leave the option keep of legacy out when its servers are gone.",
  );
}
