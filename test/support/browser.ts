// A browser that uses the core directly, without HTTP.
import type { Mode, Session, Sessions } from "../../src/index.ts";

/** Sends its cookies and keeps those that it gets. */
export class Browser<Data extends object> {
  readonly #sessions: Sessions<Data>[];
  #turn = 0;
  /** The Cookie header of its requests. */
  cookie: string | undefined;

  /** With several `Sessions`, requests go to them by turns, as from a load balancer. */
  constructor(...sessions: Sessions<Data>[]) {
    this.#sessions = sessions;
  }

  open(mode?: Mode): Promise<Session<Data>> {
    const sessions = this.#sessions[this.#turn++ % this.#sessions.length]!;
    return sessions.open(this.cookie, mode === undefined ? {} : { mode });
  }

  /** Makes a whole request. Resolves with the `Set-Cookie` values of the answer. */
  async request(handler: (session: Session<Data>) => unknown, mode?: Mode): Promise<string[]> {
    const session = await this.open(mode);
    await handler(session);
    return this.end(session);
  }

  /** Ends a request: commits, and keeps the cookies. */
  async end(session: Session<Data>): Promise<string[]> {
    const cookies = await session.commit();
    this.keep(cookies);
    return cookies;
  }

  /** Applies the `Set-Cookie` values of an answer. */
  keep(setCookies: string[]): void {
    for (const setCookie of setCookies) {
      const cookie = setCookie.split(";")[0]!;
      const name = cookie.slice(0, cookie.indexOf("=") + 1);
      const kept = this.cookie?.split("; ").filter((other) => !other.startsWith(name)) ?? [];
      if (!setCookie.includes("Max-Age=0")) kept.push(cookie);
      this.cookie = kept.length === 0 ? undefined : kept.join("; ");
    }
  }

  /** The contents of the session, as a new request reads them. */
  async contents(): Promise<Record<string, unknown>> {
    const session = await this.open("readonly");
    return structuredClone({ ...session.data }) as Record<string, unknown>;
  }
}
