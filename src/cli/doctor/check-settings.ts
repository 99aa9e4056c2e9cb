// Whether secret, cookie and timeouts are safe, and fit the site.

import type { SessionsOptions } from "../../index.ts";
import { milliseconds } from "../../util/duration.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";

const LEAST_DISTINCT = 12;
const DAY_MS = 86_400_000;
/** Measured: see bench/results/goals.md. Not a warning, as the default is as safe, and what some auditors ask for. */
const FASTER_CIPHER =
  'libsodium makes a change up to a third cheaper: npm install sodium-native on every server, then cipher: "xchacha20-poly1305"';
const KEYGEN = "Make one with npx coatcheck keygen, and rotate: npx coatcheck rotate-secrets";
const GUESSED = /password|secret|changeme|change.me|keyboard.?cat|example|default|12345678|qwerty|letmein/i;

/** @param site the address that browsers use, if it is known. */
export function checkSettings(options: SessionsOptions<object>, site?: URL): Finding[] {
  return [...checkSecrets(options), ...checkCookie(options, site), ...checkTimes(options), ...checkEncryption(options)];
}

function checkSecrets({ secret, store }: SessionsOptions<object>): Finding[] {
  if (secret === undefined) {
    if (store?.inProcess) return [ok("secret", "an in-process store needs no secret")];
    return [
      problem(
        "secret",
        "there is no secret",
        "Sessions can't be opened: createSessions() refuses to start.",
        `Set SESSION_SECRET. ${KEYGEN}`,
      ),
    ];
  }
  const findings: Finding[] = [];
  for (const [i, one] of [secret].flat().entries()) {
    const which = i === 0 ? "the secret" : `secret number ${i + 1}`;
    if (one.length < 32) {
      findings.push(problem("secret", `${which} has ${one.length} characters`, "32 are the least.", KEYGEN));
    } else if (GUESSED.test(one) || new Set(one).size < LEAST_DISTINCT) {
      findings.push(
        problem(
          "secret",
          `${which} looks as if somebody made it up`,
          "Whoever guesses it can forge tickets and read records.",
          KEYGEN,
        ),
      );
    }
  }
  if (findings.length === 0) findings.push(ok("secret", "the secrets are long, and look random"));
  return findings;
}

function checkCookie({ cookie = {} }: SessionsOptions<object>, site: URL | undefined): Finding[] {
  const findings: Finding[] = [];
  const { secure = true, sameSite = "Lax", domain } = cookie;
  if (site !== undefined) {
    const isHttps = site.protocol === "https:";
    const isLocal = /^(localhost|127\.|\[::1\])/.test(site.hostname);
    if (isHttps && secure === false) {
      findings.push(
        problem(
          "cookie-secure",
          `cookie.secure is false, and the site is ${site.origin}`,
          "A request over plain http shows the ticket to the network.",
          "Leave out cookie.secure.",
        ),
      );
    }
    if (!isHttps && secure === true && !isLocal) {
      findings.push(
        problem(
          "cookie-secure",
          `the cookie is Secure, and the site is ${site.origin}`,
          "Browsers drop it: nobody stays logged in.",
          'Serve https. For development: cookie: { secure: "auto" }.',
        ),
      );
    }
    if (domain !== undefined && site.hostname !== domain && !site.hostname.endsWith(`.${domain}`)) {
      findings.push(
        problem(
          "cookie-domain",
          `cookie.domain is ${domain}, and the site is ${site.hostname}`,
          "Browsers refuse the cookie: nobody stays logged in.",
          "Leave out cookie.domain, or give the site's own domain.",
        ),
      );
    }
  }
  if (domain !== undefined) {
    findings.push(
      warning(
        "cookie-host",
        `every host under ${domain} gets the cookie, and may set it`,
        "A weak subdomain can take over sessions.",
        "Leave out cookie.domain where one host is enough: the cookie is then __Host-sid.",
      ),
    );
  }
  if (sameSite === "None") {
    findings.push(
      warning(
        "cookie-same-site",
        "cookie.sameSite is None",
        "Requests from other sites carry the session: each form needs a CSRF token.",
        'Use "Lax", unless other sites embed this one.',
      ),
    );
  }
  if (findings.length === 0)
    findings.push(
      ok("cookie", `the cookie is right${site === undefined ? ", as far as it shows without --site" : ""}`),
    );
  return findings;
}

function checkTimes({ idleTimeout = "20m", storeTimeout = "5s" }: SessionsOptions<object>): Finding[] {
  const findings: Finding[] = [];
  if (milliseconds("idleTimeout", idleTimeout) > DAY_MS) {
    findings.push(
      warning(
        "idle-timeout",
        `a session lasts ${idleTimeout} without a request`,
        "A forgotten browser stays logged in for so long, and the store keeps every visit for so long.",
        'Shorten idleTimeout, and give a longer session to those who ask for it: session.persist("30d").',
      ),
    );
  }
  if (milliseconds("storeTimeout", storeTimeout) > 30_000) {
    findings.push(
      warning(
        "store-timeout",
        `a call to the store may take ${storeTimeout}`,
        "While the store hangs, requests pile up for so long.",
        'Use the default: storeTimeout: "5s".',
      ),
    );
  }
  return findings;
}

function checkEncryption({ encryption, cipher, store }: SessionsOptions<object>): Finding[] {
  if (store?.inProcess) {
    return [
      warning(
        "store-in-process",
        "sessions are in the memory of this process",
        "They are gone when it restarts, and no other server has them.",
        "Use a shared store for more than one process: npx coatcheck init --store redis",
      ),
    ];
  }
  if (encryption !== "off") {
    return [
      cipher === "xchacha20-poly1305"
        ? ok("cipher", "records are sealed by libsodium")
        : ok("cipher", `records are sealed by AES-256-GCM. ${FASTER_CIPHER}`),
    ];
  }
  return [
    problem(
      "encryption",
      "records are not sealed",
      "Everybody who can read the store can read the sessions.",
      "Leave out encryption. Records are sealed when they are next written.",
    ),
  ];
}
