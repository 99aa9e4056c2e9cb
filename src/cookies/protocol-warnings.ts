// Warns of a session cookie that does not fit the browser's protocol, http or https.

import { type CookieSource, headerOf, isSecure } from "./request-source.ts";

/** The cookie that a request's answer gets. */
type CookieFor = (https: boolean) => { name: string; isSecure: boolean };

// A server that has handed out this many tickets without a fault is set up right: the rest need not pay for the check.
const MAX_CHECKS = 1_000;

/**
 * A function that is called for each ticket that goes out. It warns once of each of two faults, which are silent
 * otherwise: the browser drops a `Secure` cookie that came over plain http, and a cookie without `Secure` is readable on
 * the way although the browser is on https.
 */
export function protocolWarnings(cookieFor: CookieFor): (source: CookieSource, https: boolean) => void {
  let hasWarnedOfLoss = false;
  let hasWarnedOfBare = false;
  let checked = 0;

  return (source, https) => {
    if (checked === MAX_CHECKS || (hasWarnedOfLoss && hasWarnedOfBare)) return;
    checked++;
    if (typeof source !== "object" || source === null) return;
    const { name, isSecure } = cookieFor(https);
    if (isSecure && !hasWarnedOfLoss && isLost(source, https)) {
      hasWarnedOfLoss = true;
      warnOfLoss(name, hostOf(source));
    }
    if (!isSecure && !hasWarnedOfBare && isOnHttps(source, https)) {
      hasWarnedOfBare = true;
      warnOfBare(name, hostOf(source));
    }
  };
}

function warnOfLoss(name: string, host: string): void {
  process.emitWarning(
    `coatcheck: the session cookie "${name}" is Secure and went out over plain http to "${host}". Browsers keep such a cookie only from https, and most of them from localhost, so this session is lost. Serve https. If a proxy in front does, let it send X-Forwarded-Proto: https. For development on plain http set cookie: { secure: "auto" }.`,
    { code: "COATCHECK_COOKIE_LOST" },
  );
}

function warnOfBare(name: string, host: string): void {
  process.emitWarning(
    `coatcheck: the session cookie "${name}" went out without Secure although the browser is on https ("${host}"), so a request over plain http shows it to the network. Leave out cookie.secure, or set it to true. With "auto", let the proxy in front send X-Forwarded-Proto: https, and name the proxy to the framework ("trust proxy" in Express, trustProxy in Fastify).`,
    { code: "COATCHECK_COOKIE_NOT_SECURE" },
  );
}

function isLost(source: CookieSource & object, https: boolean): boolean {
  const host = hostOf(source);
  if (host === "" || isOnHttps(source, https)) return false;
  return !isLoopback(host) || isSafari(headerOf(source, "user-agent") ?? "");
}

/** The protocol that the browser uses, although a proxy in front may not say it. */
function isOnHttps(source: CookieSource & object, https: boolean): boolean {
  if (https || isSecure(source)) return true;
  const host = hostOf(source);
  if (isLoopback(host)) return false;
  // Browsers send these to https only, and to the loopback.
  if (headerOf(source, "sec-fetch-site") !== undefined) return true;
  return headerOf(source, "origin") === `https://${host}`;
}

function hostOf(source: CookieSource & object): string {
  const host = headerOf(source, "host");
  if (host !== undefined) return host;
  // HTTP/2 has the host beside the headers, and a `Request` in its URL.
  const { authority, url } = source as { authority?: string; url?: string };
  return authority ?? /^https?:\/\/([^/?#]*)/.exec(url ?? "")?.[1] ?? "";
}

/** The names under which most browsers keep `Secure` cookies from plain http (Secure Contexts, 3.1). */
function isLoopback(host: string): boolean {
  return /^(localhost|[\w.-]+\.localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i.test(host);
}

/** Safari makes no exception for the loopback. Chrome and others name Safari, too. */
function isSafari(userAgent: string): boolean {
  return /\bVersion\/[\d.]+.*\bSafari\//.test(userAgent) && !/Chrom(e|ium)\//.test(userAgent);
}
