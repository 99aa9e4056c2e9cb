// The cookies of one browser for one site.
/** Follows the rules of RFC 6265 that matter between a browser and a farm. */
export class CookieJar {
  readonly #cookies = new Map<string, { value: string; expiresAt: number }>();

  /** The Cookie header of a request, or undefined without cookies. */
  get header(): string | undefined {
    const now = Date.now();
    for (const [name, { expiresAt }] of this.#cookies) if (expiresAt <= now) this.#cookies.delete(name);
    if (this.#cookies.size === 0) return undefined;
    return Array.from(this.#cookies, ([name, { value }]) => `${name}=${value}`).join("; ");
  }

  /** Applies the `Set-Cookie` headers of an answer: each replaces the cookie of its name, or removes it if it has expired. */
  take(headers: readonly string[]): void {
    for (const header of headers) {
      const [pair, ...attributes] = header.split(";").map((part) => part.trim());
      const [name, value] = split(pair!);
      const given = new Map(attributes.map(split).map(([attribute, value]) => [attribute.toLowerCase(), value]));
      const expiresAt = expiry(given);
      if (expiresAt <= Date.now()) this.#cookies.delete(name);
      else this.#cookies.set(name, { value, expiresAt });
    }
  }
}

/** Max-Age takes precedence over Expires. Without both, a cookie lasts until the browser closes. */
function expiry(attributes: Map<string, string>): number {
  const maxAge = attributes.get("max-age");
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return Date.now() + Number(maxAge) * 1000;
  const expires = Date.parse(attributes.get("expires") ?? "");
  return Number.isNaN(expires) ? Infinity : expires;
}

function split(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}
