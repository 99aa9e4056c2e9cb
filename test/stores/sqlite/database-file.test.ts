// The files of a SQLite database: who may use them, and what happens when they are deleted or replaced while they are open.

import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, mock, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { OptionError, StoreError } from "../../../src/errors.ts";
import { createSessions, type SessionStore } from "../../../src/index.ts";
import type { SessionChange } from "../../../src/store.ts";
import { file } from "../../../src/stores/file/index.ts";
import { schema, sqlite } from "../../../src/stores/sqlite/index.ts";
import { newKey, session, text } from "../../fixtures/sql/kit.ts";
import { tempDir, waitFor } from "../../servers/process.ts";

const folder = tempDir("database-file");
after(() => rmSync(folder, { recursive: true, force: true }));
const NOBODY = 65_534;

/** The stores with a file: each makes it in a directory. */
const makers: Record<string, (directory: string) => SessionStore> = {
  file: (path) => file({ path }),
  sqlite: (directory) => sqlite({ path: join(directory, "sessions.db"), durability: "normal" }),
};

function newDirectory(mode = 0o700): string {
  const path = join(folder, newKey());
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

function modesIn(directory: string): Record<string, string> {
  const files = readdirSync(directory).sort();
  return Object.fromEntries(files.map((name) => [name, (statSync(join(directory, name)).mode & 0o777).toString(8)]));
}

const ALL_PRIVATE = { "sessions.db": "600", "sessions.db-shm": "600", "sessions.db-wal": "600" };

/** An assertion that an error is a StoreError with this text, whose write was not applied. */
const refusal = (reason: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StoreError, String(error));
  assert.match(error.message, reason);
  assert.equal(error.applied, false);
  return true;
};

for (const [name, make] of Object.entries(makers)) {
  describe(`${name}: other users of the machine`, () => {
    test("can't read the files, whatever the umask", async () => {
      const former = process.umask(0);
      try {
        const directory = newDirectory();
        const store = make(directory);
        const stop = await store.watch?.(() => {});
        await store.create(newKey(), session());
        await store.read(newKey());
        assert.deepEqual(modesIn(directory), ALL_PRIVATE);
        await stop?.();
        await store.close();
        assert.deepEqual(modesIn(directory), { "sessions.db": "600" });
      } finally {
        process.umask(former);
      }
    });

    test("can't read files any more that an earlier version has made", async () => {
      const directory = newDirectory();
      const database = new DatabaseSync(join(directory, "sessions.db"));
      database.exec(`PRAGMA journal_mode = wal; ${schema()}`);
      for (const file of readdirSync(directory)) chmodSync(join(directory, file), 0o644);
      assert.equal(readdirSync(directory).length, 3);
      const store = make(directory);
      assert.equal(await store.read("k"), undefined);
      assert.deepEqual(modesIn(directory), ALL_PRIVATE);
      await store.close();
      database.close();
    });

    for (const suffix of ["", "-wal", "-shm", "-journal"]) {
      test(`can't plant a link in place of sessions.db${suffix}`, async () => {
        const directory = newDirectory();
        const target = join(newDirectory(), "target");
        writeFileSync(target, "");
        const path = join(directory, `sessions.db${suffix}`);
        symlinkSync(target, path);
        const store = make(directory);
        const reason = new RegExp(`${basename(path)} is a symbolic link: give the path of the file itself, or delete`);
        await assert.rejects(store.create(newKey(), session()), refusal(reason));
        if (store.watch) await assert.rejects(store.watch(() => {}), StoreError); // biome-ignore format: one line
        assert.equal(readFileSync(target, "utf8"), "");
        assert.ok(lstatSync(path).isSymbolicLink());
        rmSync(path);
        await store.create(newKey(), session());
        await store.close();
      });
    }

    test("can't plant a file of their own", async () => {
      const directory = newDirectory();
      const path = join(directory, "sessions.db");
      writeFileSync(path, "");
      if (process.geteuid!() === 0) chownSync(path, NOBODY, NOBODY);
      // Without root, a file of root's stands for a file of another user.
      const store = process.geteuid!() === 0 ? make(directory) : sqlite({ path: "/etc/passwd" });
      await assert.rejects(store.read("k"), refusal(/belongs to another user \(uid \d+\): .*chown/));
      await store.close();
    });

    test("can't have the directory that holds the files", async () => {
      const directory = newDirectory();
      const user = mock.method(process as { geteuid(): number }, "geteuid", () => NOBODY - 1);
      if (process.getuid!() === 0) chownSync(directory, NOBODY, NOBODY);
      try {
        const use = async () => make(directory).read("k");
        const reason = /belongs to another user \(uid \d+\), who could replace its files: give a directory/;
        await assert.rejects(use, (error: Error) => {
          assert.ok(error instanceof (name === "file" ? OptionError : StoreError));
          assert.match(error.message, reason);
          return true;
        });
      } finally {
        user.mock.restore();
      }
      assert.deepEqual(readdirSync(directory), []);
    });

    test("can't have written to the directory", async () => {
      const directory = newDirectory(0o777);
      const use = async () => make(directory).read("k");
      await assert.rejects(use, /every user of this machine may write to the directory .* run "chmod o-w" on it/);
      assert.deepEqual(readdirSync(directory), []);
      // In a directory like /tmp, nobody can replace the files of others. Members of a group trust each other.
      for (const mode of [0o1777, 0o770, 0o755]) {
        const store = make(newDirectory(mode));
        await store.create(newKey(), session());
        await store.close();
      }
    });
  });

  describe(`${name}: a database that is deleted while it is open`, () => {
    test("fails, also for later calls, and takes no write into the deleted file", async () => {
      const directory = newDirectory();
      const store = make(directory);
      const key = newKey();
      const version = (await store.create(key, session())) as number;
      await store.read(key, 1);
      rmSync(join(directory, "sessions.db"));
      const gone = { name: "StoreError", message: /sessions\.db was deleted, moved or replaced while it was open/ };
      await assert.rejects(store.create(newKey(), session()), gone);
      await assert.rejects(store.update(key, session(), version), gone);
      await assert.rejects(store.touch(key, Date.now() + 60_000), gone);
      await assert.rejects(store.delete(key), gone);
      await assert.rejects(store.read(key), gone);
      await assert.rejects(store.claimExpired!(Date.now(), 10), gone);
      assert.equal(existsSync(join(directory, "sessions.db")), false);
      await store.close();
    });

    test("is noticed by reads alone, soon", async () => {
      const directory = newDirectory();
      const store = make(directory);
      const key = newKey();
      await store.create(key, session());
      await store.read(key, 1);
      rmSync(join(directory, "sessions.db"));
      await waitFor("the error", () =>
        store.read(key, 1).then(
          () => false,
          () => true,
        ),
      );
      assert.equal(store.sync!.read(key, 1), undefined);
      await store.close();
    });

    test("goes on with the file that is then there, and its sessions", async () => {
      const directory = newDirectory();
      const store = make(directory);
      const [old, key] = [newKey(), newKey()];
      await store.create(old, session());
      for (const file of readdirSync(directory)) rmSync(join(directory, file));
      await assert.rejects(store.create(newKey(), session()), StoreError);
      const other = make(directory);
      await other.create(key, session({ value: Buffer.from("other") }));
      assert.equal(text((await store.read(key))?.value), "other");
      assert.equal(await store.read(old), undefined);
      const version = (await store.create(old, session({ value: Buffer.from("mine") }))) as number;
      assert.equal((await other.read(old))?.version, version);
      await Promise.all([store.close(), other.close()]);
    });

    test("goes on when the same file is put back", async () => {
      const directory = newDirectory();
      const store = make(directory);
      const key = newKey();
      const version = await store.create(key, session());
      const aside = newDirectory();
      for (const file of readdirSync(directory)) renameSync(join(directory, file), join(aside, file));
      await assert.rejects(store.create(newKey(), session()), StoreError);
      await assert.rejects(store.read(key), StoreError);
      for (const file of readdirSync(aside)) renameSync(join(aside, file), join(directory, file));
      assert.equal((await store.read(key))?.version, version);
      await store.close();
    });

    test("goes on with a backup that replaces it", async () => {
      const directory = newDirectory();
      const path = join(directory, "sessions.db");
      const first = make(directory);
      const key = newKey();
      const version = (await first.create(key, session())) as number;
      await first.close();
      copyFileSync(path, `${path}.backup`);
      const store = make(directory);
      await store.update(key, session({ value: Buffer.from("later") }), version);
      await store.read(key, 1);
      renameSync(`${path}.backup`, path);
      await waitFor("the backup's state", () => store.read(key, 1).then((found) => text(found?.value) === "coat"));
      assert.equal(await store.update(key, session(), version + 1), "conflict");
      await store.close();
    });

    test("loses no session if only its log was deleted", async () => {
      const directory = newDirectory();
      const store = make(directory);
      const keys = Array.from({ length: 20 }, newKey);
      await Promise.all(keys.map((key) => store.create(key, session())));
      rmSync(join(directory, "sessions.db-wal"));
      await waitFor("the error", () => store.read(keys[0]!).then(() => false, () => true)); // biome-ignore format: one line
      for (const key of keys) assert.ok(await store.read(key));
      const other = make(directory);
      for (const key of keys) assert.ok(await other.read(key));
      await Promise.all([store.close(), other.close()]);
    });

    test("is an event", async () => {
      const directory = newDirectory();
      const store = make(directory);
      const sessions = createSessions<{ n: number }>({ store, secret: "a secret that is long enough for the tests" });
      const errors: string[] = [];
      sessions.on("storeError", ({ error }) => errors.push(error.message));
      const first = await sessions.open(undefined);
      first.data.n = 1;
      const [cookie] = await first.commit();
      rmSync(join(directory, "sessions.db"));
      const second = await sessions.open(cookie!.split(";")[0]).catch(() => undefined);
      if (second !== undefined) {
        second.data.n = 2;
        await assert.rejects(async () => second.commit(), StoreError);
      }
      assert.match(errors.join("\n"), /was deleted, moved or replaced while it was open/);
      await sessions.close();
    });
  });
}

test("file: a directory that is deleted while it is open is an error", async () => {
  const directory = newDirectory();
  const store = file({ path: directory });
  await store.create("k", session());
  rmSync(directory, { recursive: true });
  await assert.rejects(store.create(newKey(), session()), StoreError);
  await assert.rejects(store.read("k"), StoreError);
  assert.equal(existsSync(directory), false);
  await store.close();
});

test("file: a watcher goes on with the file that replaces a deleted one", async () => {
  const directory = newDirectory();
  const store = file({ path: directory });
  await store.create(newKey(), session());
  const states: boolean[] = [];
  const changes: SessionChange[] = [];
  const stop = await store.watch!(
    (change) => changes.push(change),
    (listening) => states.push(listening),
  );
  for (const name of readdirSync(directory)) rmSync(join(directory, name));
  await waitFor("the end of the first file", () => states.length === 1);
  await sleep(100); // some polls without a file
  assert.deepEqual(states, [false]);
  const other = file({ path: directory });
  await other.read("k");
  await waitFor("the second file", () => states.length === 2);
  const key = newKey();
  await other.create(key, session());
  await waitFor("its change", () => changes.some((change) => change.key === key));
  assert.deepEqual(states, [false, true]);
  await stop();
  await Promise.all([store.close(), other.close()]);
});

describe("a database of the application", () => {
  test("keeps its permissions, and works also in a mode without a log", async () => {
    const path = join(newDirectory(), "own.db");
    const database = new DatabaseSync(path);
    chmodSync(path, 0o640);
    const store = sqlite({ database, createTable: true });
    await store.create("k", session());
    assert.equal(statSync(path).mode & 0o777, 0o640);
    await store.close();
    database.close();
  });

  test("that is deleted while it is open fails, until the file is put back", async () => {
    const path = join(newDirectory(), "own.db");
    const database = new DatabaseSync(path);
    const store = sqlite({ database, createTable: true });
    await store.create("k", session());
    renameSync(path, `${path}.aside`);
    await assert.rejects(store.touch("k", Date.now() + 60_000), /was deleted, moved or replaced/);
    await assert.rejects(store.create(newKey(), session()), StoreError);
    renameSync(`${path}.aside`, path);
    assert.ok(await store.read("k"));
    await store.create(newKey(), session());
    await store.close();
    database.close();
  });
});

describe("the first error says what is wrong", () => {
  const causes: [name: string, path: () => string, reason: RegExp][] = [
    ["a missing directory", () => join(folder, "nowhere", "x.db"), /there is no directory .*nowhere: create it/],
    ["a directory in place of the file", () => newDirectory(), /is not a file/],
    ["a file in place of the directory", () => join(file600(), "x.db"), /is not a directory/],
    ["something else in the file", () => file600("no database ".repeat(100)), /file is not a database/],
  ];
  for (const [name, path, reason] of causes) {
    test(name, async () => {
      const store = sqlite({ path: path() });
      for (const call of [() => store.read("k"), () => store.create("k", session())]) {
        await assert.rejects(call, refusal(reason));
      }
      await store.close();
    });
  }

  function file600(content = ""): string {
    const path = join(newDirectory(), "content");
    writeFileSync(path, content);
    return path;
  }
});

test("a path is a path: no URL, and no empty text", () => {
  for (const path of ["", "file:x.db", 1]) assert.throws(() => sqlite({ path: path as string }), OptionError);
});

test("a relative path holds, also if the process changes its directory", async () => {
  const [here, there] = [newDirectory(), newDirectory()];
  const former = process.cwd();
  process.chdir(here);
  try {
    const store = sqlite({ path: "sessions.db" });
    process.chdir(there);
    await store.create("k", session());
    await store.close();
  } finally {
    process.chdir(former);
  }
  assert.deepEqual(readdirSync(here), ["sessions.db"]);
});
