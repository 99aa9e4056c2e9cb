// The cookies of the load generator's browsers.
const PAIR = /^([^=;]+)=([^;]*)/;
const ENDS = /;\s*(max-age=0|expires=thu, 01 jan 1970)/i;

/** A browser's cookies for one site. */
export class CookieJar {
  readonly #values = new Map<string, string>();

  /** Begins with the cookies of a `Cookie` header. */
  constructor(header = "") {
    for (const pair of header.split("; ")) this.take(pair);
  }

  /** Applies the value of a `Set-Cookie` header. */
  take(setCookie: string): void {
    const [, name, value] = PAIR.exec(setCookie) ?? [];
    if (name === undefined) return;
    if (ENDS.test(setCookie)) this.#values.delete(name);
    else this.#values.set(name, value!);
  }

  get header(): string {
    return [...this.#values].map(([name, value]) => `${name}=${value}`).join("; ");
  }
}
