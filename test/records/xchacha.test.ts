// Tests of the cipher of libsodium, beside that of the platform.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hkdfSync, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { ticketSigner } from "../../src/cookies/ticket.ts";
import { CoatcheckError, UnknownSecretError } from "../../src/errors.ts";
import { CIPHERS, cipher, sealBytes } from "../../src/records/cipher.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { Browser } from "../support/browser.ts";
import fc from "../support/random.ts";
import { key, named, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "../support/stores.ts";

const XCHACHA = "xchacha20-poly1305";
const signer = ticketSigner([SECRET]);
const ticket = signer.issue();
const other = signer.issue();
const record = Buffer.from("a record of a session, with 4111 1111 1111 1111 in it");

for (const encryption of ["server", "ticket"] as const) {
  describe(`encryption "${encryption}"`, () => {
    const seal = cipher(encryption, [SECRET], "shop", XCHACHA);
    const sealed = Buffer.from(seal.seal(record, ticket, "owner"));

    test("opens what it has sealed, of any size", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 5_000 }), (bytes) => {
          const target = signer.issue();
          assert.deepEqual(seal.open(seal.seal(Buffer.from(bytes), target), target), Buffer.from(bytes));
        }),
      );
      for (const size of [0, 1, 1_000_000]) {
        const bytes = randomBytes(size);
        const made = seal.seal(bytes, ticket);
        assert.equal(made.length, size + sealBytes(XCHACHA));
        assert.deepEqual(seal.open(made, ticket), bytes);
      }
    });

    test("refuses a record with any single bit changed, and one that is shorter or longer", () => {
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        const changed = Buffer.from(sealed);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        assert.throws(() => seal.open(changed, ticket, "owner"), `bit ${bit}`);
      }
      for (let length = 0; length < sealed.length; length++) {
        assert.throws(() => seal.open(sealed.subarray(0, length), ticket, "owner"), `${length} bytes`);
      }
      assert.throws(() => seal.open(Buffer.concat([sealed, Buffer.from([0])]), ticket, "owner"));
    });

    test("refuses a record in another place, of another owner, and of another application", () => {
      assert.deepEqual(seal.open(sealed, ticket, "owner"), record);
      assert.throws(() => seal.open(sealed, other, "owner"));
      assert.throws(() => seal.open(sealed, ticket, "somebody"));
      assert.throws(() => seal.open(sealed, ticket));
      assert.throws(() => cipher(encryption, [SECRET], "bank", XCHACHA).open(sealed, ticket, "owner"));
    });

    test("knows a record of another secret from one that was changed", () => {
      const elsewhere = cipher(encryption, [OTHER_SECRET], "shop", XCHACHA);
      assert.throws(() => elsewhere.open(sealed, ticket, "owner"), UnknownSecretError);
      assert.deepEqual(cipher(encryption, [OTHER_SECRET, SECRET], "shop").open(sealed, ticket, "owner"), record);
    });

    test("never has the same nonce twice", () => {
      const nonces = new Set(
        Array.from({ length: 10_000 }, () => Buffer.from(seal.seal(record, ticket)).toString("hex", 5, 29)),
      );
      assert.equal(nonces.size, 10_000);
    });

    test("both ciphers open the records of each other, and of no other encryption", () => {
      for (const one of CIPHERS) {
        for (const another of CIPHERS) {
          const made = cipher(encryption, [SECRET], "shop", one).seal(record, ticket);
          assert.deepEqual(cipher(encryption, [SECRET], "shop", another).open(made, ticket), record);
          const others = cipher(encryption === "server" ? "ticket" : "server", [SECRET], "shop", another);
          assert.throws(() => others.open(made, ticket), /not sealed/);
        }
      }
    });
  });
}

test("is what libsodium makes of the derived key", () => {
  const sealed = Buffer.from(cipher("server", [SECRET], "shop", XCHACHA).seal(record, ticket, "owner"));
  const derived = Buffer.from(hkdfSync("sha256", SECRET, "shop", "coatcheck seal server xchacha v1", 32));
  const sodium = createRequire(import.meta.url)("sodium-native");
  const opened = Buffer.alloc(record.length);
  const about = Buffer.from(`${ticket.key}owner`);
  sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
    opened,
    null,
    sealed.subarray(29),
    about,
    sealed.subarray(5, 29),
    derived,
  );
  assert.deepEqual(opened, record);
});

test("a farm changes over without a logout, and back", async () => {
  const store = watched();
  const aes = setUp({}, store);
  const xchacha = setUp({ cipher: XCHACHA }, store);
  const browser = new Browser(aes.sessions, xchacha.sessions);
  for (let n = 1; n <= 6; n++) {
    await browser.request((session) => {
      assert.equal(session.get("n"), n === 1 ? undefined : n - 1);
      session.set("n", n);
    });
    assert.equal(store.rows.get(key(browser))![0], n % 2 === 1 ? 0xc1 : 0xc3);
  }
  assert.deepEqual([...named(aes.events, "unreadable"), ...named(xchacha.events, "unreadable")], []);
});

test("in a sealed cookie, a session of the largest size fits", async () => {
  const { browser } = setUp({ store: sealedCookie(), cipher: XCHACHA });
  await browser.request((session) => session.set("text", "x".repeat(2_800)));
  assert.equal(((await browser.contents()).text as string).length, 2_800);
  assert.ok(browser.cookie!.length <= 4_096);
});

describe("without the package sodium-native", () => {
  const script = (code: string) => `
    import Module from "node:module";
    const { _load } = Module;
    Module._load = function (name, ...rest) {
      if (name === "sodium-native") throw new Error("Cannot find module");
      return _load.call(this, name, ...rest);
    };
    const { cipher } = await import("./src/records/cipher.ts");
    ${code}`;
  const run = (code: string) =>
    execFileSync(process.execPath, ["--input-type=module", "-e", script(code)], { encoding: "utf8" });

  test("the option says what to install", () => {
    const message = run(
      `try { cipher("server", ["${SECRET}"], "shop", "${XCHACHA}") } catch (error) { console.log(error.code, error.message) }`,
    );
    assert.match(message, /^COATCHECK_PEER .*npm install sodium-native/);
    assert.ok(new CoatcheckError("COATCHECK_PEER", "") instanceof Error);
  });

  test("a record of another server is an outage, and not a logout", () => {
    const sealed = Buffer.from(cipher("server", [SECRET], "shop", XCHACHA).seal(record, ticket)).toString("hex");
    const message = run(
      `try { cipher("server", ["${SECRET}"], "shop").open(Buffer.from("${sealed}", "hex"), { key: "${ticket.key}" }) } catch (error) { console.log(error.name, error.status, error.message) }`,
    );
    assert.match(message, /503 .*Install sodium-native on every server/);
  });

  test("everything else goes on", () => {
    const opened = run(
      `const one = cipher("server", ["${SECRET}"]); console.log(one.open(one.seal(Buffer.from("well"), { key: "k" }), { key: "k" }).toString())`,
    );
    assert.equal(opened, "well\n");
  });
});
