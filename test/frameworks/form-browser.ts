// A browser without JavaScript: it reads pages, sends forms, follows redirects, and keeps cookies.

import assert from "node:assert/strict";
import { Browser } from "../adapters/browser.ts";

/** An element's attributes. One without a value has an empty text. */
type Attributes = Record<string, string>;

/** A page, as the tests of the examples look at it. */
export class Page {
  readonly status: number;
  readonly url: URL;
  readonly html: string;

  constructor(status: number, url: URL, html: string) {
    this.status = status;
    this.url = url;
    this.html = html;
  }

  /** The attributes of all elements that have this one. */
  withAttribute(name: string): Attributes[] {
    return tags(this.html).filter((attributes) => name in attributes);
  }

  /** The text inside of the first element that has this attribute, and no other element in it. */
  text(attribute: string): string | undefined {
    const found = new RegExp(`<\\w+[^>]*\\s${attribute}(?:=(?:""|''))?(?=[\\s>])[^>]*>((?:[^<]|<!--.*?-->)*)<`).exec(
      this.html,
    );
    return found === null ? undefined : decoded(found[1]!.replace(/<!--.*?-->/g, "").trim());
  }
}

export class FormBrowser {
  readonly #browser: Browser;
  readonly #base: string;
  page = new Page(0, new URL("about:blank"), "");

  constructor(base: string) {
    // What a browser asks for when it opens a page: some frameworks answer other clients with JSON.
    this.#browser = new Browser("", undefined, { accept: "text/html,*/*;q=0.8" });
    this.#base = base;
  }

  get cookie(): string | undefined {
    return this.#browser.cookie;
  }

  /** Opens a page, and follows redirects. */
  async open(path: string): Promise<Page> {
    return this.#follow(new URL(path, this.#base), {});
  }

  /** Gets JSON. */
  async json(path: string): Promise<{ body: unknown; setCookies: string[] }> {
    const response = await this.#browser.get(new URL(path, this.#base).href, { headers: { accept: "*/*" } });
    return { body: await response.json(), setCookies: response.setCookies };
  }

  /** Sends the form of the page that has these attributes, with the fields given in place of its own. */
  async submit(attributes: Attributes, fields: Record<string, string> = {}): Promise<Page> {
    const { action, isMultipart, own } = this.#form(attributes);
    const all = { ...own, ...fields };
    const body = isMultipart ? new FormData() : new URLSearchParams();
    for (const [name, value] of Object.entries(all)) body.append(name, value);
    const headers = { origin: this.page.url.origin, referer: this.page.url.href };
    return this.#follow(new URL(action, this.page.url), { method: "POST", headers, body });
  }

  #form(wanted: Attributes) {
    for (const [, head, content] of this.page.html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)) {
      const [form] = tags(`<form${head}>`);
      if (!Object.entries(wanted).every(([name, value]) => form![name] === value)) continue;
      assert.equal(form!.method?.toLowerCase(), "post", "the form has no method=post");
      const own: Record<string, string> = {};
      for (const { name, value = "" } of tags(content!)) if (name !== undefined) own[name] = value;
      return { action: form!.action ?? "", isMultipart: form!.enctype === "multipart/form-data", own };
    }
    throw new Error(`no form ${JSON.stringify(wanted)} in the page: ${this.page.html}`);
  }

  async #follow(url: URL, init: RequestInit): Promise<Page> {
    let response = await this.#browser.get(url.href, init);
    let at = url;
    for (let hops = 0; response.status >= 300 && response.status < 400 && hops < 5; hops++) {
      at = new URL(response.headers.get("location") ?? "", at);
      response = await this.#browser.get(at.href);
    }
    this.page = new Page(response.status, at, await response.text());
    return this.page;
  }
}

/** The attributes of all tags, by lower-case names. Scripts, and what is commented out, are left out. */
function tags(html: string): Attributes[] {
  const markup = html.replace(/<script\b.*?<\/script>/gs, "").replace(/<!--.*?-->/gs, "");
  return [...markup.matchAll(/<[a-z][\w-]*((?:\s+[^\s=>/]+(?:=(?:"[^"]*"|'[^']*'|[^\s>]*))?|\s*\/)*)\s*>/gi)].map(
    ([, text]) => {
      const attributes: Attributes = {};
      for (const [, name, double, single, bare] of text!.matchAll(
        /([^\s=>/]+)(?:=(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?/g,
      )) {
        attributes[name!.toLowerCase()] = decoded(double ?? single ?? bare ?? "");
      }
      return attributes;
    },
  );
}

function decoded(text: string): string {
  const names: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) => {
    if (name !== undefined) return names[name] ?? all;
    return String.fromCodePoint(Number.parseInt(hex ?? decimal, hex ? 16 : 10));
  });
}
