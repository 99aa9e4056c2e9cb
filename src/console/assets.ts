// The files of the page, as the build leaves them.

import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { type Answer, asset, failure, notice, page } from "./answer.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
};

// The source is not built: the files are where the build puts them.
const FOLDER = import.meta.url.endsWith(".ts") ? "../../dist/console/" : "./";

export async function indexPage(): Promise<Answer> {
  const html = await contentOf("index.html");
  if (html !== undefined) return page(200, html);
  return notice(500, "The console is not built", "Its page is missing. In a copy of the source: npm run build:console");
}

/** `name` comes from the address. `known`: the ETag of what the browser has. */
export async function assetNamed(name: string, known: string | undefined): Promise<Answer> {
  const type = TYPES[extname(name)];
  const content = type !== undefined && /^[\w-][\w.-]*$/.test(name) ? await contentOf(`assets/${name}`) : undefined;
  if (type === undefined || content === undefined) return failure(404, "There is no such file.");
  const etag = `"${hash("sha256", content, "base64url").slice(0, 22)}"`;
  return asset(type, etag, known === etag ? undefined : content);
}

/** Undefined: there is no such file. */
async function contentOf(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await readFile(new URL(FOLDER + path, import.meta.url));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
