// Tests of tickets: issuing and verifying them, and the store key that follows from one.

import assert from "node:assert/strict";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import { describe, test } from "node:test";
import { isKey, ticketSigner } from "../../src/cookies/ticket.ts";
import fc, { runs } from "../support/random.ts";
import { OTHER_SECRET, SECRET } from "../support/stores.ts";

const signer = ticketSigner([SECRET]);

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const digit = fc.constantFrom(...BASE64URL);

describe("a ticket", () => {
  test("is verified by the signer that issued it, with the same store key", () => {
    const ticket = signer.issue();
    assert.deepEqual(signer.verify(ticket.text), ticket);
    assert.match(ticket.text, /^[\w-]{40}$/);
    assert.ok(isKey(ticket.key));
  });

  test("is verified by every server with the same secret", () => {
    const ticket = signer.issue();
    assert.deepEqual(ticketSigner([SECRET]).verify(ticket.text), ticket);
  });

  test("never repeats", () => {
    const tickets = Array.from({ length: 10_000 }, () => signer.issue());
    assert.equal(new Set(tickets.map(({ text }) => text.slice(0, 24))).size, tickets.length);
    assert.equal(new Set(tickets.map(({ key }) => key)).size, tickets.length);
  });

  test("has 144 random bits: every bit of the id varies", () => {
    const ids = Array.from({ length: 500 }, () => Buffer.from(signer.issue().text.slice(0, 24), "base64url"));
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
        const { text } = signer.issue();
        fc.pre(text[at] !== character);
        assert.equal(signer.verify(text.slice(0, at) + character + text.slice(at + 1)), undefined);
      }),
      { numRuns: runs(5_000) },
    );
  });

  test("is refused for every change of one character of one ticket", () => {
    const { text } = signer.issue();
    for (let at = 0; at < text.length; at++) {
      for (const character of BASE64URL) {
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        assert.equal(signer.verify(changed) === undefined, changed !== text, changed);
      }
    }
  });

  test("is refused when it is truncated, longer, empty or has other characters", () => {
    const { text } = signer.issue();
    for (let length = 0; length < text.length; length++) assert.equal(signer.verify(text.slice(0, length)), undefined);
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
    for (const other of others) assert.equal(signer.verify(other), undefined, other.slice(0, 50));
  });

  test("is refused whatever its text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: digit, minLength: 40, maxLength: 40 })), (text) => {
        assert.equal(signer.verify(text), undefined);
      }),
      { numRuns: runs(5_000) },
    );
  });

  test("is refused when id and MAC come from two tickets", () => {
    const [one, other] = [signer.issue().text, signer.issue().text];
    assert.equal(signer.verify(one.slice(0, 24) + other.slice(24)), undefined);
  });

  test("is refused when it is made from a store key, which the database and the logs show", () => {
    const { key } = signer.issue();
    assert.equal(signer.verify(key), undefined);
    assert.equal(signer.verify(key + key.slice(0, 16)), undefined);
    assert.equal(signer.verify(key + signer.issue().text.slice(24)), undefined);
  });
});

describe("the store key", () => {
  test("reveals no part of the ticket", () => {
    for (let i = 0; i < 200; i++) {
      const { text, key } = signer.issue();
      assert.notEqual(key, text.slice(0, 24));
      for (let at = 0; at + 5 <= key.length; at++) assert.ok(!text.includes(key.slice(at, at + 5)));
    }
  });

  test("can't be computed from the ticket without the secret", () => {
    const { text, key } = signer.issue();
    const [id, mac] = [text.slice(0, 24), text.slice(24)];
    const guesses = [text, id, mac, mac + id].flatMap((input) => [
      createHash("sha256").update(input).digest("base64url"),
      createHash("sha256").update(Buffer.from(input, "base64url")).digest("base64url"),
      createHmac("sha256", "").update(input).digest("base64url"),
      Buffer.from(hkdfSync("sha256", input, "", "coatcheck ticket v1", 32)).toString("base64url"),
    ]);
    for (const guess of guesses) assert.ok(!guess.includes(key));
    assert.notEqual(ticketSigner([OTHER_SECRET]).verify(text)?.key, key);
  });

  test("is 24 base64url characters and nothing else", () => {
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
    assert.equal(ticketSigner([OTHER_SECRET]).verify(signer.issue().text), undefined);
  });

  test("rotate: the first one issues tickets, all of them verify, with the same store key", () => {
    const rotated = ticketSigner([OTHER_SECRET, SECRET]);
    const old = signer.issue();
    assert.deepEqual(rotated.verify(old.text), old);

    const fresh = rotated.issue();
    assert.equal(signer.verify(fresh.text), undefined);
    assert.deepEqual(ticketSigner([OTHER_SECRET]).verify(fresh.text), fresh);
  });

  test("a ticket under a secret that was removed from the list is refused", () => {
    const old = ticketSigner([SECRET]).issue();
    assert.equal(ticketSigner([OTHER_SECRET]).verify(old.text), undefined);
  });
});
