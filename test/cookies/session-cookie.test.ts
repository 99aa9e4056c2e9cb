// Tests of the session cookie: what is sent, what is found in a Cookie header, and which options are refused.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CookieOptions, sessionCookie } from "../../src/cookies/session-cookie.ts";
import { ticketSigner } from "../../src/cookies/ticket.ts";
import { OptionError } from "../../src/errors.ts";
import fc, { runs } from "../support/random.ts";
import { SECRET } from "../support/stores.ts";

const TICKET = ticketSigner([SECRET]).issue().text;

/** `name=value; A; B` as a name, a value and sorted attributes. */
function parsed(setCookie: string) {
  const [pair, ...attributes] = setCookie.split("; ");
  const at = pair!.indexOf("=");
  return { name: pair!.slice(0, at), value: pair!.slice(at + 1), attributes: attributes.sort() };
}

describe("an issued cookie", () => {
  test("is by default a __Host- cookie, hidden from scripts and plain http, until the browser closes", () => {
    assert.deepEqual(parsed(sessionCookie().issue(TICKET, true)), {
      name: "__Host-sid",
      value: TICKET,
      attributes: ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"],
    });
  });

  test("is Secure by default even if the request came over plain http", () => {
    assert.equal(sessionCookie().issue(TICKET, false), sessionCookie().issue(TICKET, true));
  });

  test('is Secure with secure "auto" only if the request came over https', () => {
    const cookie = sessionCookie({ secure: "auto" });
    assert.deepEqual(parsed(cookie.issue(TICKET, true)).name, "__Host-sid");
    assert.deepEqual(parsed(cookie.issue(TICKET, false)), {
      name: "sid",
      value: TICKET,
      attributes: ["HttpOnly", "Path=/", "SameSite=Lax"],
    });
    assert.deepEqual(cookie.find(`sid=a; __Host-sid=b`, true), ["b"]);
    assert.deepEqual(cookie.find(`sid=a; __Host-sid=b`, false), ["a"]);
  });

  test("is named sid with secure false", () => {
    assert.deepEqual(parsed(sessionCookie({ secure: false }).issue(TICKET, true)), {
      name: "sid",
      value: TICKET,
      attributes: ["HttpOnly", "Path=/", "SameSite=Lax"],
    });
  });

  test("is a __Secure- cookie with a domain or a path, since browsers refuse __Host- there", () => {
    assert.deepEqual(parsed(sessionCookie({ domain: "example.com" }).issue(TICKET, true)), {
      name: "__Secure-sid",
      value: TICKET,
      attributes: ["Domain=example.com", "HttpOnly", "Path=/", "SameSite=Lax", "Secure"],
    });
    assert.equal(parsed(sessionCookie({ path: "/shop" }).issue(TICKET, true)).name, "__Secure-sid");
    assert.ok(parsed(sessionCookie({ path: "/shop" }).issue(TICKET, true)).attributes.includes("Path=/shop"));
  });

  test("has Max-Age only with the option maxAge, rounded up to whole seconds", () => {
    assert.ok(!sessionCookie().issue(TICKET, true).includes("Max-Age"));
    assert.ok(sessionCookie({ maxAge: "1d" }).issue(TICKET, true).endsWith("; Max-Age=86400"));
    assert.ok(sessionCookie({ maxAge: 1500 }).issue(TICKET, true).endsWith("; Max-Age=2"));
    assert.ok(sessionCookie({ maxAge: 100 }).issue(TICKET, true).endsWith("; Max-Age=1"));
    assert.equal(sessionCookie({ maxAge: "1d" }).maxAge, 86_400_000);
    assert.equal(sessionCookie().maxAge, undefined);
  });

  test("takes sameSite, name and partitioned", () => {
    assert.ok(sessionCookie({ sameSite: "Strict" }).issue(TICKET, true).includes("; SameSite=Strict"));
    assert.ok(sessionCookie({ sameSite: "None" }).issue(TICKET, true).includes("; SameSite=None"));
    assert.ok(sessionCookie({ partitioned: true }).issue(TICKET, true).includes("; Partitioned"));
    assert.ok(!sessionCookie().issue(TICKET, true).includes("Partitioned"));
    assert.equal(parsed(sessionCookie({ name: "ticket" }).issue(TICKET, true)).name, "ticket");
  });

  test("is cleared by an empty cookie of the same name and attributes that has expired", () => {
    for (const options of [{}, { domain: "example.com" }, { path: "/a" }, { partitioned: true }, { maxAge: "9d" }]) {
      const cookie = sessionCookie(options as CookieOptions);
      const issued = parsed(cookie.issue(TICKET, true));
      const cleared = parsed(cookie.clear(true));
      assert.equal(cleared.name, issued.name);
      assert.equal(cleared.value, "");
      const lasting = issued.attributes.filter((attribute) => !attribute.startsWith("Max-Age"));
      assert.deepEqual(cleared.attributes, [...lasting, "Max-Age=0"].sort());
    }
  });
});

describe("a received cookie", () => {
  const cookie = sessionCookie({ name: "sid" });
  const find = (header: string | null | undefined) => cookie.find(header, true);

  test("is found at any position in the header", () => {
    assert.deepEqual(find(`sid=${TICKET}`), [TICKET]);
    assert.deepEqual(find(`a=1; sid=${TICKET}`), [TICKET]);
    assert.deepEqual(find(`sid=${TICKET}; a=1`), [TICKET]);
    assert.deepEqual(find(`a=1;sid=${TICKET};b=2`), [TICKET]);
    assert.deepEqual(find(`a=1;  \tsid=${TICKET}  ;b=2`), [TICKET]);
    assert.deepEqual(find(`  sid=${TICKET}  `), [TICKET]);
  });

  test("is not found in a header without it", () => {
    for (const header of [undefined, null, "", "sid", "sid;", "a=1", "SID=1", ";;;=;", "=sid=1"]) {
      assert.deepEqual(find(header), [], String(header));
    }
  });

  test("is not found under a longer name", () => {
    assert.deepEqual(find("xsid=1; sid2=2; my-sid=3; __Host-sid=4; sid =5; a.sid=6; $sid=7"), []);
    assert.deepEqual(sessionCookie().find("sid=1; x__Host-sid=2", true), []);
  });

  test("is found several times if the browser has one for each path, in the header's order", () => {
    assert.deepEqual(find("sid=1; a=2; sid=3;sid=4"), ["1", "3", "4"]);
  });

  test("loses its quotes, as clients of RFC 2965 send them", () => {
    assert.deepEqual(find(`$Version="1"; sid="${TICKET}"; $Path="/"`), [TICKET]);
    assert.deepEqual(find('sid="'), ['"']);
  });

  test("keeps its value as it is: equals signs, or empty", () => {
    assert.deepEqual(find("sid=a=b"), ["a=b"]);
    assert.deepEqual(find("sid=; a=1"), [""]);
    assert.deepEqual(find("sid=sid=1"), ["sid=1"]);
  });

  // A subdomain or plain http can set some cookies, but must not smuggle in one with a protected name.
  test("can't be hidden in another cookie's value", () => {
    const host = sessionCookie();
    for (const value of [
      ` __Host-sid=${TICKET}`,
      `x __Host-sid=${TICKET}`,
      `x\t__Host-sid=${TICKET}`,
      `"x __Host-sid=${TICKET}"`,
      `x,__Host-sid=${TICKET}`,
      `x, __Host-sid=${TICKET}`,
      `x&__Host-sid=${TICKET}`,
      `x\u00a0__Host-sid=${TICKET}`,
      `x\u2003__Host-sid=${TICKET}`,
      `x\n__Host-sid=${TICKET}`,
    ]) {
      assert.deepEqual(host.find(`a=${value}; b=1`, true), [], JSON.stringify(value));
    }
    for (const space of ["\u00a0", "\u2003", "\ufeff", "\u0085", "\v", "\f", "\0"]) {
      assert.deepEqual(host.find(`a=1; ${space}__Host-sid=${TICKET}`, true), [], JSON.stringify(space));
    }
  });

  test("is found exactly where a plain parser finds it, in any header", () => {
    const plain = (header: string) =>
      header
        .split(";")
        .map((part) => part.replace(/^[ \t]+/, ""))
        .filter((part) => part.startsWith("sid="))
        .map((part) => part.slice("sid=".length).trimEnd())
        .map((value) => /^"(.*)"$/.exec(value)?.[1] ?? value);
    const piece = fc.constantFrom("sid=", "sid", "=", ";", "; ", " ", "\t", "a", "x=1", '"', ",", "é", "\u00a0");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const header = pieces.join("");
        assert.deepEqual(find(header), plain(header), JSON.stringify(header));
      }),
      { numRuns: runs(5_000) },
    );
  });

  test("is found in linear time, whatever the header holds", () => {
    for (const header of ["sid=".repeat(250_000), " ".repeat(1_000_000), " sid=".repeat(200_000)]) {
      find(header); // a quadratic scan would take hours
    }
    assert.equal(find("sid=1;".repeat(100_000)).length, 100_000);
  });
});

describe("a cookie option", () => {
  const refused: [CookieOptions, ...string[]][] = [
    [{ name: "a b" }, "cookie.name", '"a b"', "use letters"],
    [{ name: "a;b" }, "cookie.name", '"a;b"', "use letters"],
    [{ name: "" }, "cookie.name", '""', "use letters"],
    [{ name: "süß" }, "cookie.name", '"süß"', "use letters"],
    [{ name: "a".repeat(4057) }, "cookie.name", "aaaa", "4096"],
    [{ secure: "yes" as "auto" }, "cookie.secure", '"yes"', '"auto"'],
    [{ sameSite: "lax" as "Lax" }, "cookie.sameSite", '"lax"', '"Lax"'],
    [{ path: "shop" }, "cookie.path", '"shop"', '"/"'],
    [{ path: "/a;b" }, "cookie.path", '"/a;b"', '"/"'],
    [{ path: "/a\r\nX: y" }, "cookie.path", "/a", '"/"'],
    [{ domain: "a b" }, "cookie.domain", '"a b"', "example.com"],
    [{ domain: "a;b" }, "cookie.domain", '"a;b"', "example.com"],
    [{ domain: "a\r\nb" }, "cookie.domain", "a", "example.com"],
    [{ name: "__Host-sid", domain: "example.com" }, "cookie.name", "__Host-sid", "domain"],
    [{ name: "__Host-sid", path: "/a" }, "cookie.name", "__Host-sid", "path"],
    [{ name: "__Host-sid", secure: false }, "cookie.name", "__Host-sid", "secure"],
    [{ name: "__Secure-sid", secure: "auto" }, "cookie.name", "__Secure-sid", "secure"],
    [{ sameSite: "None", secure: false }, "cookie.sameSite", '"None"', "secure"],
    [{ sameSite: "None", secure: "auto" }, "cookie.sameSite", '"None"', "secure"],
    [{ partitioned: true, secure: false }, "cookie.partitioned", "true", "secure"],
    [{ maxAge: 0 }, "cookie.maxAge", "0", "milliseconds"],
    [{ maxAge: -1 }, "cookie.maxAge", "-1", "milliseconds"],
    [{ maxAge: "2 days" as "2d" }, "cookie.maxAge", '"2 days"', '"30d"'],
  ];
  for (const [options, ...parts] of refused) {
    test(`${JSON.stringify(options).slice(0, 60)} is refused with an error that says how to fix it`, () => {
      assert.throws(
        () => sessionCookie(options),
        (error: unknown) => {
          assert.ok(error instanceof OptionError);
          for (const part of parts) assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
          return true;
        },
      );
    });
  }

  test("a name that fills exactly 4096 bytes with the ticket is accepted", () => {
    const issued = parsed(sessionCookie({ name: "a".repeat(4056) }).issue(TICKET, true));
    assert.equal(issued.name.length + issued.value.length, 4096);
  });
});
