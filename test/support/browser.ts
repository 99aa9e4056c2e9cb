import type { Mode, Session, Sessions } from "../../src/index.ts";

/** A browser as far as the core sees one: it sends the cookie it has, and keeps the one it gets. */
export class Browser<Data extends object> {
  readonly #sessions: Sessions<Data>[];
  #turn = 0;
  /** The Cookie header that it sends. */
  cookie: string | undefined;

  /** With several sessions, requests go round them, as a load balancer sends them. */
  constructor(...sessions: Sessions<Data>[]) {
    this.#sessions = sessions;
  }

  open(mode?: Mode): Promise<Session<Data>> {
    const sessions = this.#sessions[this.#turn++ % this.#sessions.length]!;
    return sessions.open(this.cookie, mode === undefined ? {} : { mode });
  }

  /** A request from its beginning to its end. Gives the `Set-Cookie` values of the answer. */
  async request(handler: (session: Session<Data>) => unknown, mode?: Mode): Promise<string[]> {
    const session = await this.open(mode);
    await handler(session);
    return this.end(session);
  }

  /** The end of a request. */
  async end(session: Session<Data>): Promise<string[]> {
    const cookies = await session.commit();
    this.keep(cookies);
    return cookies;
  }

  /** Takes what an answer says of its cookies. */
  keep(setCookies: string[]): void {
    for (const setCookie of setCookies) {
      const cookie = setCookie.split(";")[0]!;
      const name = cookie.slice(0, cookie.indexOf("=") + 1);
      const kept = this.cookie?.split("; ").filter((other) => !other.startsWith(name)) ?? [];
      if (!setCookie.includes("Max-Age=0")) kept.push(cookie);
      this.cookie = kept.length === 0 ? undefined : kept.join("; ");
    }
  }

  /** What the session holds, as a fresh request sees it. */
  async contents(): Promise<Record<string, unknown>> {
    const session = await this.open("readonly");
    return structuredClone({ ...session.data }) as Record<string, unknown>;
  }
}
