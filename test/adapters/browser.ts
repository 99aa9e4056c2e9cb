// A browser for the tests of adapters: it talks over HTTP, and keeps cookies.

/** A browser that keeps the cookies that an application sets. */
export class Browser {
  readonly #base: string;
  readonly #headers: Record<string, string>;
  readonly #cookies = new Map<string, string>();

  /** `headers` go with every request. */
  constructor(base: string, cookie?: string, headers: Record<string, string> = {}) {
    this.#base = base;
    this.#headers = headers;
    this.cookie = cookie;
  }

  /** The Cookie header of its requests. */
  get cookie(): string | undefined {
    return this.#cookies.size === 0
      ? undefined
      : [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  set cookie(cookie: string | undefined) {
    this.#cookies.clear();
    for (const one of cookie?.split("; ") ?? []) this.#keep(one);
  }

  async get(path: string, init: RequestInit = {}): Promise<Response & { setCookies: string[] }> {
    const { cookie } = this;
    const headers = { ...(cookie === undefined ? {} : { cookie }), ...this.#headers, ...(init.headers as object) };
    const response = await fetch(this.#base + path, { redirect: "manual", ...init, headers });
    const setCookies = response.headers.getSetCookie();
    for (const setCookie of setCookies) this.#keep(setCookie.split(";")[0]!, /Max-Age=0/i.test(setCookie));
    return Object.assign(response, { setCookies });
  }

  async text(path: string): Promise<string> {
    return (await this.get(path)).text();
  }

  #keep(cookie: string, isRemoved = false): void {
    const name = cookie.slice(0, cookie.indexOf("="));
    if (isRemoved) this.#cookies.delete(name);
    else this.#cookies.set(name, cookie.slice(name.length + 1));
  }
}
