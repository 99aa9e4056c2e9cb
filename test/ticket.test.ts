import assert from "node:assert/strict";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isKey, ticketOffice } from "../src/ticket.ts";
import { OTHER_SECRET, SECRET } from "./support/stores.ts";

const office = ticketOffice([SECRET]);

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const digit = fc.constantFrom(...BASE64URL);

describe("a ticket", () => {
  test("is accepted by the office that issued it, with the same store key", () => {
    const ticket = office.issue();
    assert.deepEqual(office.check(ticket.text), ticket);
    assert.match(ticket.text, /^[\w-]{40}$/);
    assert.ok(isKey(ticket.key));
  });

  test("is accepted by every server with the same secret", () => {
    const ticket = office.issue();
    assert.deepEqual(ticketOffice([SECRET]).check(ticket.text), ticket);
  });

  test("never repeats", () => {
    const tickets = Array.from({ length: 10_000 }, () => office.issue());
    assert.equal(new Set(tickets.map(({ text }) => text.slice(0, 24))).size, tickets.length);
    assert.equal(new Set(tickets.map(({ key }) => key)).size, tickets.length);
  });

  test("carries at least 128 random bits: every bit of the id is drawn", () => {
    const ids = Array.from({ length: 500 }, () => Buffer.from(office.issue().text.slice(0, 24), "base64url"));
    assert.equal(ids[0]!.length * 8, 144);
    for (let bit = 0; bit < 144; bit++) {
      const ones = ids.filter((id) => (id[bit >> 3]! >> (bit & 7)) & 1).length;
      // A fair coin gives fewer than 150 or more than 350 of 500 once in 10^18 runs.
      assert.ok(ones > 150 && ones < 350, `bit ${bit} is one in ${ones} of 500 ids`);
    }
  });
});

describe("a forged ticket", () => {
  test("is refused for any change of one character", () => {
    fc.assert(
      fc.property(fc.nat(39), digit, (at, character) => {
        const { text } = office.issue();
        fc.pre(text[at] !== character);
        assert.equal(office.check(text.slice(0, at) + character + text.slice(at + 1)), undefined);
      }),
      { numRuns: 5_000 },
    );
  });

  test("is refused for every change of one character of one ticket", () => {
    const { text } = office.issue();
    for (let at = 0; at < text.length; at++) {
      for (const character of BASE64URL) {
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        assert.equal(office.check(changed) === undefined, changed !== text, changed);
      }
    }
  });

  test("is refused when it is cut, longer, empty or of other characters", () => {
    const { text } = office.issue();
    for (let length = 0; length < text.length; length++) assert.equal(office.check(text.slice(0, length)), undefined);
    const others = [
      `${text}A`,
      `A${text}`,
      `${text}=`,
      `${text}\n`,
      ` ${text}`,
      `"${text}"`,
      text.toUpperCase(),
      text.split("").reverse().join(""),
      text.slice(24) + text.slice(0, 24),
      `${text.slice(0, 39)}\0`,
      `${text.slice(0, 39)}é`,
      "é".repeat(40),
      "A".repeat(40),
      "A".repeat(100_000),
    ];
    for (const other of others) assert.equal(office.check(other), undefined, other.slice(0, 50));
  });

  test("is refused whatever its text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: digit, minLength: 40, maxLength: 40 })), (text) => {
        assert.equal(office.check(text), undefined);
      }),
      { numRuns: 5_000 },
    );
  });

  test("is refused when id and MAC come from two tickets", () => {
    const [one, other] = [office.issue().text, office.issue().text];
    assert.equal(office.check(one.slice(0, 24) + other.slice(24)), undefined);
  });

  test("is refused when made from a store key, which is what the database and the logs show", () => {
    const { key } = office.issue();
    assert.equal(office.check(key), undefined);
    assert.equal(office.check(key + key.slice(0, 16)), undefined);
    assert.equal(office.check(key + office.issue().text.slice(24)), undefined);
  });
});

describe("the store key", () => {
  test("shows nothing of the ticket", () => {
    for (let i = 0; i < 200; i++) {
      const { text, key } = office.issue();
      assert.notEqual(key, text.slice(0, 24));
      for (let at = 0; at + 5 <= key.length; at++) assert.ok(!text.includes(key.slice(at, at + 5)));
    }
  });

  test("can't be computed from the ticket without the secret", () => {
    const { text, key } = office.issue();
    const [id, mac] = [text.slice(0, 24), text.slice(24)];
    const guesses = [text, id, mac, mac + id].flatMap((input) => [
      createHash("sha256").update(input).digest("base64url"),
      createHash("sha256").update(Buffer.from(input, "base64url")).digest("base64url"),
      createHmac("sha256", "").update(input).digest("base64url"),
      Buffer.from(hkdfSync("sha256", input, "", "coatcheck ticket v1", 32)).toString("base64url"),
    ]);
    for (const guess of guesses) assert.ok(!guess.includes(key));
    assert.notEqual(ticketOffice([OTHER_SECRET]).check(text)?.key, key);
  });

  test("has one spelling", () => {
    assert.ok(!isKey(""));
    assert.ok(!isKey("A".repeat(23)));
    assert.ok(!isKey("A".repeat(25)));
    assert.ok(!isKey(`${"A".repeat(23)}\n`));
    assert.ok(!isKey(`${"A".repeat(23)}*`));
    assert.ok(isKey("-_Aa0".padEnd(24, "z")));
  });
});

describe("secrets", () => {
  test("a ticket under another secret is refused", () => {
    assert.equal(ticketOffice([OTHER_SECRET]).check(office.issue().text), undefined);
  });

  test("rotate: the first issues, all of them open, to the same store key", () => {
    const rotated = ticketOffice([OTHER_SECRET, SECRET]);
    const old = office.issue();
    assert.deepEqual(rotated.check(old.text), old);

    const fresh = rotated.issue();
    assert.equal(office.check(fresh.text), undefined);
    assert.deepEqual(ticketOffice([OTHER_SECRET]).check(fresh.text), fresh);
  });

  test("a secret that is dropped from the list opens nothing any more", () => {
    const old = ticketOffice([SECRET]).issue();
    assert.equal(ticketOffice([OTHER_SECRET]).check(old.text), undefined);
  });
});
