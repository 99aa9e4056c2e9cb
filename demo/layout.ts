// The frame of every page: headers, style and script.
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { type Html, html } from "./html.ts";

const read = (name: string) => readFileSync(new URL(`./page/${name}`, import.meta.url), "utf8");
const style = ["base.css", "panel.css", "shop.css", "acts.css", "small.css"].map(read).join("\n");
const script = read("script.js");

const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Cache-Control": "no-store",
  // Nothing from other sites, and only this inline style and script.
  "Content-Security-Policy": [
    "default-src 'none'",
    `style-src 'sha256-${hash("sha256", style, "base64")}'`,
    `script-src 'sha256-${hash("sha256", script, "base64")}'`,
    "img-src data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "X-Content-Type-Options": "nosniff",
};

const ICON = encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#2a1730"/><path fill="none" stroke="#e2b65c" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round" d="M16 13.5V12a3 3 0 1 1 3-3M16 13.5 27 21.5H5Z"/></svg>`,
);

/** Sends a page whose one response includes its style, script and pictures. */
export function send(res: ServerResponse, status: number, body: Html, headers: Record<string, string> = {}): void {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="A shop on a farm of servers that share one session store. Kill a server and keep shopping.">
<title>The Cloakroom</title>
<link rel="icon" href="data:image/svg+xml,${ICON}">
<style>${{ markup: style }}</style>
<script type="module">${{ markup: script }}</script>
</head>
${body}
</html>`;
  res.writeHead(status, { ...HEADERS, ...headers }).end(document.markup);
}

/** The top of a page. @param answered who made the page, or why nobody did. */
export function title(answered: Html): Html {
  return html`
  <header class="title">
    <svg class="logo" viewBox="0 0 64 48" aria-hidden="true">
      <path d="M32 20v-3a7 7 0 1 1 7-7M32 20 60 40c3 2 2 6-2 6H6c-4 0-5-4-2-6Z" />
    </svg>
    <div>
      <h1>The Cloakroom</h1>
      <p>Each click goes to the next server. Kill one and keep shopping.</p>
    </div>
    <form class="answered" action="/">${answered} <button id="again">Ask again</button></form>
  </header>`;
}
