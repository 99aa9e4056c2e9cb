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

/** Where the build puts them: beside this file, or in `dist` where the source runs as it is. */
export const BUILT = new URL(import.meta.url.endsWith(".ts") ? "../../dist/console/" : "./", import.meta.url);

export async function indexPage(folder: URL): Promise<Answer> {
  const html = await contentOf(folder, "index.html");
  if (html !== undefined) return page(200, html);
  return notice(500, "The console is not built", "Its page is missing. In a copy of the source: npm run build:console");
}

/** `name` comes from the address. `known`: the ETags that the browser has. */
export async function assetNamed(folder: URL, name: string, known: string | undefined): Promise<Answer> {
  const type = TYPES[extname(name)];
  const isName = type !== undefined && /^[\w-][\w.-]{0,99}$/.test(name);
  const content = isName ? await contentOf(folder, `assets/${name}`) : undefined;
  if (!isName || content === undefined) return failure(404, "There is no such file.");
  const etag = `"${hash("sha256", content, "base64url").slice(0, 22)}"`;
  return asset(type, etag, known?.includes(etag) ? undefined : content);
}

/** Undefined: there is no such file. */
async function contentOf(folder: URL, path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await readFile(new URL(path, folder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
