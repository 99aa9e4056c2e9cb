// The commands, each as a user runs it.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { createSessions } from "../../src/index.ts";
import { file } from "../../src/stores/file/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { tempDir, waitFor } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { beginSessions, coatcheck, program, SECRET, sendCommand } from "./cli.ts";

let cwd: string;
beforeEach(() => {
  cwd = tempDir("cli");
});

const env = { SESSION_SECRET: SECRET };
const json = (text: string) => JSON.parse(text);

test("help and version", async () => {
  const help = await coatcheck(["--help"], { cwd });
  assert.equal(help.code, 0);
  for (const name of [
    "init",
    "doctor",
    "stats",
    "list",
    "show",
    "revoke",
    "sweep",
    "console",
    "migrate",
    "keygen",
    "completion",
  ]) {
    assert.match(help.stdout, new RegExp(`^ {2}${name}\\b`, "m"));
  }
  const version = await coatcheck(["--version"], { cwd });
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

describe("a wrong command line gets a message and exit code 2", () => {
  const cases: [args: string[], message: RegExp][] = [
    [["shwo"], /Did you mean show\?/],
    [["stats", "--nonsense"], /unknown option/],
    [["stats"], /there is no session\.json here/],
    [["stats", "--store", "mongodb://localhost"], /"mongodb" is the beginning of no store's address/],
    [["stats", "--store", "sessions"], /"sessions" is no store's address: write file:FOLDER/],
    [["stats", "--store", "C:\\\\sessions"], /is no store's address/],
    [["migrate", "--from", "session.jsn", "--to", "file:x"], /ends in \.json or \.config/],
    [["migrate", "--from", "file:x", "--to", "file:y", "--per-second", "0"], /--per-second is "0"/],
    [["stats", "--store", "file:x", "--sizes", "all"], /--sizes is "all"/],
    [["stats", "--store", "file:x", "--config", "y"], /not both/],
    [["revoke", "--store", "file:x"], /give the id of a session, or --owner/],
    [["list", "--store", "file:x", "--limit", "many"], /--limit is "many"/],
    [["doctor", "--store", "file:x", "--site", "shop"], /--site is "shop"/],
    [["console", "--store", "file:x", "--port", "http"], /--port is "http"/],
    [
      ["console", "--store", "file:x", "--host", "0.0.0.0"],
      /--host is "0.0.0.0": the command serves this machine alone/,
    ],
    [["schema"], /required option/],
    [["completion", "tcsh"], /Allowed choices are bash, zsh, fish/],
  ];
  for (const [args, message] of cases) {
    test(args.join(" "), async () => {
      const { code, stderr, stdout } = await coatcheck(args, { cwd });
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
      assert.equal(stdout, "");
    });
  }
});

test("keygen gives another secret each time", async () => {
  const [one, other] = await Promise.all([coatcheck(["keygen"], { cwd }), coatcheck(["keygen"], { cwd })]);
  assert.match(one.stdout, /^[\w-]{43}\n$/);
  assert.notEqual(one.stdout, other.stdout);
});

describe("init", () => {
  test("writes session.json, a secret that git does not see, and the lines for the framework", async () => {
    writeFileSync(join(cwd, "package.json"), JSON.stringify({ dependencies: { fastify: "5.0.0" } }));
    writeFileSync(join(cwd, ".gitignore"), "node_modules");
    const { code, stdout } = await coatcheck(["init", "--store", "redis"], { cwd });
    assert.equal(code, 0);
    assert.match(stdout, /coatcheck\/fastify/);
    assert.match(stdout, /npm install redis/);
    const config = json(readFileSync(join(cwd, "session.json"), "utf8"));
    assert.equal(config.mode, "redis");
    assert.equal(config.secret, "[SESSION_SECRET]");
    assert.match(readFileSync(join(cwd, ".env"), "utf8"), /^SESSION_SECRET=[\w-]{43}\nREDIS_URL=.+\n$/);
    assert.equal(readFileSync(join(cwd, ".gitignore"), "utf8"), "node_modules\n.env\n");
    assert.doesNotMatch(stdout, /SESSION_SECRET=/);
  });

  test("keeps what is there", async () => {
    writeFileSync(join(cwd, ".env"), "SESSION_SECRET=mine\n");
    assert.equal((await coatcheck(["init", "--store", "file"], { cwd })).code, 0);
    assert.equal(readFileSync(join(cwd, ".env"), "utf8"), "SESSION_SECRET=mine\n");
    const again = await coatcheck(["init", "--store", "file"], { cwd });
    assert.equal(again.code, 1);
    assert.match(again.stderr, /--force/);
    assert.equal((await coatcheck(["init", "--store", "memory", "--force"], { cwd })).code, 0);
  });

  test("asks nothing where nobody can answer", async () => {
    const { code, stderr } = await coatcheck(["init"], { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /--store memory/);
    assert.ok(!existsSync(join(cwd, "session.json")));
  });

  for (const store of ["file", "sqlite"]) {
    test(`what it writes for ${store} is well, and git sees no session`, async () => {
      await coatcheck(["init", "--store", store], { cwd });
      const { code, stdout } = await coatcheck(["doctor"], { cwd });
      assert.equal(code, 0, stdout);
      assert.match(stdout, /All is well/);
      execFileSync("git", ["init", "--quiet"], { cwd });
      const seen = execFileSync("git", ["ls-files", "--others", "--exclude-standard"], { cwd, encoding: "utf8" });
      assert.deepEqual(seen.trim().split("\n"), [".gitignore", "session.json"]);
    });
  }

  test("a package.json that is broken is named, and nothing is written", async () => {
    writeFileSync(join(cwd, "package.json"), '{ "dependencies": ');
    const { code, stderr } = await coatcheck(["init", "--store", "file"], { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /package\.json can't be read/);
    assert.ok(!existsSync(join(cwd, "session.json")));
  });
});

describe("a command in another folder than the configuration", () => {
  test("goes by the paths and the secret that are beside it", async () => {
    const home = join(cwd, "a shop");
    mkdirSync(home);
    await coatcheck(["init", "--store", "file"], { cwd: home });
    const secret = /SESSION_SECRET=(\S+)/.exec(readFileSync(join(home, ".env"), "utf8"))![1]!;
    const store = file({ path: join(home, "sessions") });
    await beginSessions(store, 3, undefined, secret);
    await store.close();
    const config = join(home, "session.json");
    const stats = await coatcheck(["stats", "--config", config, "--json"], { cwd });
    assert.equal(json(stats.stdout).sessions, 3);
    const list = await coatcheck(["list", "--config", config, "--owner", "user1", "--json"], { cwd });
    assert.equal(json(list.stdout).length, 1);
    const doctor = await coatcheck(["doctor", "--config", config], { cwd });
    assert.match(doctor.stdout, /these settings open 3 sessions/);
    assert.ok(doctor.stdout.includes(`only this account can open ${join(home, "sessions")}`), doctor.stdout);
    assert.deepEqual(readdirSync(cwd), ["a shop"]);
  });

  test("a path at which nothing is begins no store", async () => {
    for (const args of [
      ["stats", "--store"],
      ["doctor", "--store"],
      ["migrate", "--to", "file:new", "--from"],
    ]) {
      for (const address of ["file:sessoins", "sqlite:sessoins.db"]) {
        const { code, stderr } = await coatcheck([...args, address], { cwd, env });
        assert.equal(code, 1);
        assert.match(stderr, /there is no store at sessoins/);
      }
    }
    assert.ok(!existsSync(join(cwd, "sessoins")) && !existsSync(join(cwd, "sessoins.db")));
  });

  test("sessions in the memory of servers can't be counted, ended or moved", async () => {
    await coatcheck(["init", "--store", "memory"], { cwd });
    for (const args of [
      ["stats"],
      ["list"],
      ["revoke", "x"],
      ["sweep"],
      ["migrate", "--from", "session.json", "--to", "file:new"],
    ]) {
      const { code, stderr } = await coatcheck(args, { cwd });
      assert.equal(code, 1);
      assert.match(stderr, /keeps sessions in the memory of each server/);
    }
  });

  test("doctor says how to set a variable that is missing", async () => {
    await coatcheck(["init", "--store", "file"], { cwd });
    rmSync(join(cwd, ".env"));
    const { code, stdout } = await coatcheck(["doctor"], { cwd });
    assert.equal(code, 1);
    assert.match(stdout, /SESSION_SECRET, which is not set/);
    assert.match(stdout, /fix: Write the variable into a file \.env.*keygen/);
  });
});

describe("on a store", () => {
  let server: RedisServer;
  const command = (...args: string[]) => sendCommand(server.url, args);
  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());

  for (const kind of ["redis", "file"]) {
    describe(kind, () => {
      const open = () => (kind === "redis" ? redis({ url: server.url }) : file({ path: join(cwd, "sessions") }));
      const address = () => (kind === "redis" ? server.url : `file:${join(cwd, "sessions")}`);
      let ids: string[];
      beforeEach(async () => {
        if (kind === "redis") await command("FLUSHALL");
        const store = open();
        ids = await beginSessions(store, 5, (i) => (i < 2 ? "ann" : `user${i}`));
        await store.close();
      });

      test("stats counts sessions and owners", async () => {
        const { code, stdout } = await coatcheck(["stats", "--store", address(), "--json"], { cwd });
        assert.equal(code, 0);
        const { sessions, owned, owners, endWithinAnHour, bytes } = json(stdout);
        assert.deepEqual(
          { sessions, owned, owners, endWithinAnHour },
          { sessions: 5, owned: 5, owners: 4, endWithinAnHour: 5 },
        );
        assert.equal(bytes.measured, 5);
        assert.match((await coatcheck(["stats", "--store", address()], { cwd })).stdout, /^5 sessions in /);
      });

      test("list shows owners to those who have the secret, and values to nobody", async () => {
        const withSecret = await coatcheck(["list", "--store", address(), "--owner", "ann"], { cwd, env });
        for (const id of ids.slice(0, 2)) assert.match(withSecret.stdout, new RegExp(`${id} +ann`));
        const without = await coatcheck(["list", "--store", address()], { cwd });
        assert.equal(without.stdout.match(/ sealed /g)?.length, 5);
        assert.doesNotMatch(withSecret.stdout + without.stdout, /secret thing/);
        const refused = await coatcheck(["list", "--store", address(), "--owner", "ann"], { cwd });
        assert.equal(refused.code, 2);
        assert.equal(
          json((await coatcheck(["list", "--store", address(), "--json", "-n", "3"], { cwd })).stdout).length,
          3,
        );
      });

      test("show gives metadata, and values only with --reveal and the secret", async () => {
        const plain = await coatcheck(["show", ids[0]!, "--store", address()], { cwd });
        assert.match(plain.stdout, /keys +sealed/);
        const opened = await coatcheck(["show", ids[0]!, "--store", address()], { cwd, env });
        assert.match(opened.stdout, /owner +ann\n[\s\S]*keys +cart/);
        assert.doesNotMatch(plain.stdout + opened.stdout, /secret thing/);
        const revealed = await coatcheck(["show", ids[0]!, "--store", address(), "--reveal"], { cwd, env });
        assert.match(revealed.stdout, /a secret thing 0/);
        const refused = await coatcheck(["show", ids[0]!, "--store", address(), "--reveal"], { cwd });
        assert.equal(refused.code, 1);
        assert.match(refused.stderr, /SESSION_SECRET/);
        assert.match(
          (await coatcheck(["show", "A".repeat(24), "--store", address()], { cwd })).stderr,
          /there is no session/,
        );
      });

      test("revoke ends one, or all of an owner", async () => {
        const one = await coatcheck(["revoke", ids[4]!, "--store", address()], { cwd });
        assert.deepEqual([one.code, one.stdout], [0, "1 session ended.\n"]);
        const again = await coatcheck(["revoke", ids[4]!, "--store", address()], { cwd });
        assert.deepEqual([again.code, again.stdout], [1, "0 sessions ended.\n"]);
        const all = await coatcheck(["revoke", "--owner", "ann", "--store", address(), "--json"], { cwd, env });
        assert.deepEqual(json(all.stdout), { ended: 2 });
        assert.equal(json((await coatcheck(["stats", "--store", address(), "--json"], { cwd })).stdout).sessions, 2);
      });

      test("rotate-secrets counts what is sealed under each secret", async () => {
        const store = open();
        const older = "an0lderSecret_7fK2mQ9xV4bN8cZ1pL";
        await beginSessions(store, 3, () => undefined, older);
        await store.close();
        const config = {
          mode: kind,
          options: kind === "redis" ? { url: server.url } : { path: join(cwd, "sessions") },
        };
        const counts = async (secret: string[]) => {
          writeFileSync(join(cwd, "session.json"), JSON.stringify({ ...config, secret }));
          return coatcheck(["rotate-secrets", "--json"], { cwd });
        };
        const both = await counts([SECRET, older]);
        assert.deepEqual([both.code, json(both.stdout)], [0, { secrets: [5, 3], unknown: 0 }]);
        const one = await counts([SECRET]);
        assert.deepEqual([one.code, json(one.stdout)], [1, { secrets: [5], unknown: 3 }]);
        const doctor = await coatcheck(["doctor", "--json"], { cwd });
        assert.equal(
          json(doctor.stdout).find(({ check }: { check: string }) => check === "settings").severity,
          "error",
        );
      });

      test("bench removes its sessions", async () => {
        const { code, stdout } = await coatcheck(["bench", "--store", address(), "--seconds", "0.2", "--json"], {
          cwd,
        });
        assert.equal(code, 0);
        assert.deepEqual(Object.keys(json(stdout)), ["create", "read", "update", "delete"]);
        assert.equal(json((await coatcheck(["stats", "--store", address(), "--json"], { cwd })).stdout).sessions, 5);
      });
    });
  }

  test("sweep removes what has expired", async () => {
    const store = file({ path: join(cwd, "sessions") });
    const sessions = createSessions<{ n: number }>({ store, secret: SECRET, idleTimeout: 1, sweepInterval: false });
    const session = await sessions.open(null);
    session.data.n = 1;
    await session.commit();
    await sessions.close();
    const { stdout } = await coatcheck(["sweep", "--store", `file:${join(cwd, "sessions")}`, "--json"], { cwd });
    assert.deepEqual(json(stdout), { removed: 1 });
  });

  test("migrate moves all sessions, and says so", async () => {
    await command("FLUSHALL");
    const from = file({ path: join(cwd, "sessions") });
    await beginSessions(from, 40);
    await from.close();
    const args = ["migrate", "--from", `file:${join(cwd, "sessions")}`, "--to", server.url, "--json"];
    const { code, stdout, stderr } = await coatcheck(args, { cwd });
    assert.equal(code, 0, stderr);
    assert.deepEqual(json(stdout), { moved: 40, left: 0, arrived: 40 });
    const list = await coatcheck(["list", "--store", server.url, "--owner", "user7"], { cwd, env });
    assert.match(list.stdout, / user7 /);
  });

  test("migrate ends after doctor has left its note in both stores", async () => {
    await command("FLUSHALL");
    const address = `file:${join(cwd, "sessions")}`;
    const from = file({ path: join(cwd, "sessions") });
    await beginSessions(from, 3);
    await from.close();
    for (const store of [address, server.url]) {
      assert.equal((await coatcheck(["doctor", "--store", store], { cwd, env })).code, 0);
    }
    const { code, stdout, stderr } = await coatcheck(["migrate", "--from", address, "--to", server.url, "--json"], {
      cwd,
    });
    assert.equal(code, 0, stderr);
    assert.deepEqual(json(stdout), { moved: 3, left: 0, arrived: 3 });
    assert.match(stderr, /A server that uses the old store alone loses the sessions that move/);
  });

  test("migrate says what is still in the old store, and moves nothing within one store", async () => {
    await command("FLUSHALL");
    const path = join(cwd, "sessions");
    const from = file({ path });
    await beginSessions(from, 1);
    // A backup of it was restored after the first move.
    cpSync(path, join(cwd, "backup"), { recursive: true });
    await from.close();
    const move = (name: string, to: string) =>
      coatcheck(["migrate", "--from", `file:${join(cwd, name)}`, "--to", to], { cwd });
    const same = await move("sessions", `file:${join(cwd, ".", "sessions")}`);
    assert.equal(same.code, 2);
    assert.match(same.stderr, /are the same store/);
    assert.equal((await move("sessions", server.url)).code, 0);
    const again = await move("backup", server.url);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /still in the old store/);
  });

  test("migrate says how many sessions the new store refuses, and they stay", async () => {
    const from = file({ path: join(cwd, "sessions") });
    await beginSessions(from, 2);
    await from.close();
    const module = new URL("../../src/stores/file/index.ts", import.meta.url).href;
    writeFileSync(
      join(cwd, "small.mjs"),
      `import { file } from ${JSON.stringify(module)};
      export default (options) => {
        const store = file(options);
        const create = async (key, session) => {
          if (session.value.length > 40) throw new Error("too large");
          return store.create(key, session);
        };
        return { ...store, create };
      };`,
    );
    const provider = { name: "small", type: "./small.mjs", options: { path: join(cwd, "small") } };
    const config = { mode: "Custom", customProvider: "small", providers: [provider], secret: SECRET };
    writeFileSync(join(cwd, "small.json"), JSON.stringify(config));
    const args = ["migrate", "--from", `file:${join(cwd, "sessions")}`, "--to", "small.json"];
    const { code, stderr } = await coatcheck(args, { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /2 sessions could not be moved: session [\w-]+ could not be moved/);
    const stats = await coatcheck(["stats", "--store", `file:${join(cwd, "sessions")}`, "--json"], { cwd });
    assert.equal(json(stats.stdout).sessions, 2);
  });

  test("migrate stops at Ctrl+C, and goes on where it was", async () => {
    await command("FLUSHALL");
    const from = file({ path: join(cwd, "sessions") });
    await beginSessions(from, 40);
    await from.close();
    const args = ["migrate", "--from", `file:${join(cwd, "sessions")}`, "--to", server.url];
    // One batch, and then a pause of many seconds.
    const child = spawn(process.execPath, [program, ...args, "--per-second", "0.2"], { cwd });
    let stderr = "";
    child.stderr.on("data", (data) => (stderr += data));
    const ended = once(child, "exit");
    await waitFor("the first sessions", async () => Number(await command("DBSIZE")) >= 16);
    child.kill("SIGINT");
    assert.deepEqual(await ended, [1, null], stderr);
    assert.match(stderr, /stopped\. Run the same command again to go on/);
    const { code, stdout } = await coatcheck([...args, "--json"], { cwd });
    assert.equal(code, 0);
    const { moved, left, arrived } = json(stdout);
    assert.deepEqual([left, arrived], [0, 40]);
    assert.ok(moved <= 24, String(moved));
  });

  test("a server that is down is one line", async () => {
    const { code, stdout } = await coatcheck(["doctor", "--store", "redis://127.0.0.1:1"], { cwd, env });
    assert.equal(code, 1);
    assert.match(stdout, /✗ reach: the store can't be read/);
    const stats = await coatcheck(["stats", "--store", "redis://shop:hidden@127.0.0.1:1"], { cwd });
    assert.equal(stats.code, 1);
    assert.equal(stats.stderr.trim().split("\n").length, 1, stats.stderr);
    assert.doesNotMatch(stats.stderr, /hidden/);
  });
});

describe("schema", () => {
  for (const database of ["postgres", "mysql", "mssql", "sqlite"]) {
    test(database, async () => {
      const { code, stdout } = await coatcheck(["schema", "--database", database, "--table", "visits"], { cwd });
      assert.equal(code, 0);
      assert.match(stdout, /CREATE TABLE/i);
      assert.match(stdout, /visits/);
    });
  }
});

test("import writes a session.json from a web.config, without its passwords", async () => {
  writeFileSync(
    join(cwd, "web.config"),
    `<configuration>
      <appSettings><add key="coatcheck:secret" value="${SECRET}" /></appSettings>
      <connectionStrings><add name="cache" connectionString="localhost:6379,password=hidden" /></connectionStrings>
      <system.web>
        <sessionState mode="Custom" timeout="30" cookieName="shop" customProvider="r">
          <providers><add name="r" type="Microsoft.Web.Redis.RedisSessionStateProvider" connectionString="cache" /></providers>
        </sessionState>
      </system.web>
    </configuration>`,
  );
  const { code, stdout, stderr } = await coatcheck(["import", "web.config"], { cwd });
  assert.equal(code, 0, stderr);
  const text = readFileSync(join(cwd, "session.json"), "utf8");
  const { mode, timeout, cookieName, secret } = json(text);
  assert.deepEqual(
    { mode, timeout, cookieName, secret },
    { mode: "redis", timeout: 30, cookieName: "shop", secret: "[SESSION_SECRET]" },
  );
  assert.doesNotMatch(text + stdout, new RegExp(`hidden|${SECRET}`));
  assert.match(stdout, /SESSION_SECRET/);
});

describe("completion", () => {
  test("bash completes commands and options", async () => {
    const { stdout } = await coatcheck(["completion", "bash"], { cwd });
    writeFileSync(join(cwd, "completion.sh"), stdout);
    const { execFileSync } = await import("node:child_process");
    const complete = (words: string[]) =>
      execFileSync(
        "bash",
        [
          "-c",
          `source completion.sh; COMP_WORDS=(${words.map((word) => `"${word}"`).join(" ")}); COMP_CWORD=${words.length - 1}; _coatcheck; echo "\${COMPREPLY[@]}"`,
        ],
        { cwd, encoding: "utf8" },
      ).trim();
    assert.equal(complete(["coatcheck", "do"]), "doctor");
    assert.equal(complete(["coatcheck", "doctor", "--si"]), "--site");
    rmSync(join(cwd, "completion.sh"));
  });
});
