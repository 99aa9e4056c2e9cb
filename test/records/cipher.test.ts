// Tests of the cipher: which records it opens, and which it refuses.

import assert from "node:assert/strict";
import { createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { ticketSigner } from "../../src/cookies/ticket.ts";
import { cipher } from "../../src/records/cipher.ts";
import { SessionRecord } from "../../src/records/record.ts";
import { encode } from "../../src/records/value-codec.ts";
import fc, { runs } from "../support/random.ts";
import { OTHER_SECRET, SECRET } from "../support/stores.ts";

const signer = ticketSigner([SECRET]);
const ticket = signer.issue();
const other = signer.issue();
const record = Buffer.from("a record of a session, with 4111 1111 1111 1111 in it");

for (const encryption of ["server", "ticket"] as const) {
  describe(`encryption "${encryption}"`, () => {
    const seal = cipher(encryption, [SECRET]);
    const sealed = seal.seal(record, ticket);

    test("opens a record that it sealed, of any size", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 5_000 }), (bytes) => {
          const { text, key } = signer.issue();
          assert.deepEqual(seal.open(seal.seal(Buffer.from(bytes), { text, key }), { text, key }), Buffer.from(bytes));
        }),
        { numRuns: runs(300) },
      );
      for (const size of [0, 1, 1_000_000]) {
        const bytes = randomBytes(size);
        assert.deepEqual(seal.open(seal.seal(bytes, ticket), ticket), bytes);
      }
    });

    test("opens a record in another process with the same secret", () => {
      assert.deepEqual(cipher(encryption, [SECRET]).open(new Uint8Array(sealed), ticket), record);
    });

    test("refuses a record with any single bit changed", () => {
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        const changed = Buffer.from(sealed);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        assert.throws(() => seal.open(changed, ticket), `bit ${bit}`);
      }
    });

    test("refuses a record that is truncated or longer", () => {
      for (let length = 0; length < sealed.length; length++) {
        assert.throws(() => seal.open(sealed.subarray(0, length), ticket), `${length} bytes`);
      }
      assert.throws(() => seal.open(Buffer.concat([sealed, Buffer.from([0])]), ticket));
    });

    test("refuses a record that was moved to another session's key", () => {
      assert.throws(() => seal.open(sealed, other));
      // With "server" the store key alone decides, with "ticket" the ticket alone.
      const half =
        encryption === "server" ? { text: ticket.text, key: other.key } : { text: other.text, key: ticket.key };
      assert.throws(() => seal.open(sealed, half));
    });

    test("refuses a record under a store key with the same beginning", () => {
      const neighbour = { ...ticket, key: ticket.key.slice(0, -1) + (ticket.key.endsWith("A") ? "B" : "A") };
      assert.throws(() => seal.open(sealed, neighbour));
    });

    test("refuses a record that was sealed under another secret", () => {
      assert.throws(() => cipher(encryption, [OTHER_SECRET]).open(sealed, ticket));
    });

    test("rotates secrets: the first one seals, all of them open", () => {
      const rotated = cipher(encryption, [OTHER_SECRET, SECRET]);
      assert.deepEqual(rotated.open(sealed, ticket), record);
      const again = rotated.seal(record, ticket);
      assert.deepEqual(cipher(encryption, [OTHER_SECRET]).open(again, ticket), record);
      assert.throws(() => seal.open(again, ticket));
    });

    test("reveals no part of the record, and never gives the same bytes twice", () => {
      const plain = Buffer.from("the same text again and again. ".repeat(20));
      const one = Buffer.from(seal.seal(plain, ticket));
      const two = Buffer.from(seal.seal(plain, ticket));
      assert.notDeepEqual(one.subarray(5), two.subarray(5));
      for (const bytes of [one, two]) {
        for (let at = 0; at + 4 <= 31; at++) assert.equal(bytes.indexOf(plain.subarray(at, at + 4)), -1);
        for (const secret of [SECRET, ticket.text, ticket.key]) {
          for (let at = 0; at + 6 <= secret.length; at++) assert.equal(bytes.indexOf(secret.slice(at, at + 6)), -1);
        }
      }
    });

    test("uses no nonce twice, also after the pool is refilled", () => {
      const nonces = Array.from({ length: 3_000 }, () => Buffer.from(seal.seal(record, ticket)).toString("hex", 5, 17));
      assert.equal(new Set(nonces).size, nonces.length);
    });

    test('refuses bytes that are not sealed: there is no fallback to "off"', () => {
      const plain = SessionRecord.write(
        {
          createdAt: 0,
          renewedAt: undefined,
          sealedUntil: undefined,
          revision: undefined,
          lease: undefined,
          terms: undefined,
          owner: undefined,
        },
        undefined,
        [{ key: "admin", after: encode("admin", true) }],
      ).bytes;
      assert.throws(() => seal.open(plain, ticket));
      assert.throws(() => seal.open(Buffer.alloc(0), ticket));
      assert.throws(() => seal.open(Buffer.alloc(100), ticket));
      for (let i = 0; i < 1_000; i++) assert.throws(() => seal.open(randomBytes(i % 200), ticket));
    });

    test("refuses a record that was sealed with the other encryption", () => {
      const otherKind = cipher(encryption === "server" ? "ticket" : "server", [SECRET]);
      assert.throws(() => otherKind.open(sealed, ticket));
      const disguised = Buffer.from(sealed);
      disguised[0] = otherKind.seal(record, ticket)[0]!;
      assert.throws(() => otherKind.open(disguised, ticket));
    });

    test("keeps no reference to the given bytes", () => {
      const bytes = Buffer.from(record);
      const sealed = seal.seal(bytes, ticket);
      bytes.fill(0);
      assert.deepEqual(seal.open(sealed, ticket), record);
    });

    test("opens bytes in the middle of a larger buffer", () => {
      const pool = new Uint8Array(sealed.length + 20);
      pool.set(sealed, 7);
      assert.deepEqual(seal.open(pool.subarray(7, 7 + sealed.length), ticket), record);
    });
  });
}

describe('encryption "ticket"', () => {
  const seal = cipher("ticket", [SECRET]);
  const sealed = Buffer.from(seal.seal(record, ticket));

  test("can't open a record with the secret and the store key alone, and canOpen says so", () => {
    assert.equal(seal.canOpen({ key: ticket.key }), false);
    assert.equal(seal.canOpen(ticket), true);
    assert.equal(cipher("server", [SECRET]).canOpen({ key: ticket.key }), true);
    assert.throws(() => seal.open(sealed, { key: ticket.key }));
    assert.throws(() => seal.open(sealed, { key: ticket.key, text: ticket.key }));
    assert.throws(() => seal.open(sealed, { key: ticket.key, text: other.text }));
  });

  test("refuses to seal without a ticket", () => {
    assert.throws(() => seal.seal(record, { key: ticket.key }));
  });

  test("has no key that follows from the secret and the store key", () => {
    const inputs = [SECRET, ticket.key, SECRET + ticket.key];
    for (const label of ["seal ticket", "seal server", "ticket", "seal id"]) {
      inputs.push(Buffer.from(hkdfSync("sha256", SECRET, "", `coatcheck ${label} v1`, 32)).toString("base64url"));
    }
    const tails = ["", ticket.key, "undefined", "null"];
    const keys = inputs.flatMap((input) =>
      tails.map((tail) =>
        createHash("sha256")
          .update(input + tail)
          .digest(),
      ),
    );
    for (const key of keys) {
      const aes = createDecipheriv("aes-256-gcm", key, sealed.subarray(5, 17), { authTagLength: 16 });
      aes.setAuthTag(sealed.subarray(17, 33));
      aes.update(sealed.subarray(33));
      assert.throws(() => aes.final());
    }
  });
});

describe('encryption "off"', () => {
  const off = cipher("off", [SECRET]);

  test("stores the bytes as they are", () => {
    assert.deepEqual(off.open(off.seal(record, ticket), ticket), record);
    assert.deepEqual(Buffer.from(off.seal(record, ticket)), record);
    assert.equal(off.canOpen({ key: ticket.key }), true);
  });

  test("does not read sealed bytes as a record", () => {
    for (const encryption of ["server", "ticket"] as const) {
      const sealed = cipher(encryption, [SECRET]).seal(record, ticket);
      assert.throws(() => SessionRecord.read(off.open(sealed, ticket)));
    }
  });
});
