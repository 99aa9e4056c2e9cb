// Tests of the benchmark's command line.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, run } from "../servers/process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function bench(script: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`bench/${script}`, ...args], {
    cwd: root,
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

describe("wrong arguments of the benchmark end it with a message and the usage", () => {
  const wrong: [script: string, args: string[], says: RegExp][] = [
    ["run.ts", ["--quik"], /^Unknown option '--quik'\n/],
    ["run.ts", ["--only", "bare-node,nobody"], /^--only: unknown name "nobody"\.\n/],
    ["run.ts", ["--scenarios", "reed"], /^--scenarios: unknown name "reed"\.\n/],
    ["run.ts", ["--rounds", "0"], /^--rounds: expected a whole number from 1, got "0"\.\n/],
    ["run.ts", ["--out", `${process.execPath}/results`], /^ENOTDIR: /],
    ["latency.ts", ["--rates", "250,fast"], /^--rates: expected a whole number from 1, got "fast"\.\n/],
    ["bytes/run.ts", ["--only", "oracle"], /^--only: unknown name "oracle"\.\n/],
  ];
  for (const [script, args, says] of wrong) {
    test(`${script} ${args.join(" ")}`, () => {
      const { status, stdout, stderr } = bench(script, ...args);
      assert.match(stderr, says);
      assert.match(stderr, /\n\nnpm run bench(:\w+)? \[-- options\]\n {2}--/);
      assert.doesNotMatch(stderr, /\.ts:\d/);
      assert.deepEqual([status, stdout], [2, ""]);
    });
  }

  test("run.ts --help lists options and contenders", () => {
    const { status, stdout, stderr } = bench("run.ts", "--help");
    assert.match(stdout, /^npm run bench .*--quick.*--only.*coatcheck-express\+redis/s);
    assert.deepEqual([status, stderr], [0, ""]);
  });
});

describe("a missing database server", () => {
  const says = /no-such-server is missing: "npm run servers" installs/;

  test("is an error that names the command to install it", async () => {
    await assert.rejects(run("no-such-server", []), says);
    await assert.rejects(launch({ name: "it", command: "no-such-server", args: [], ready: () => false }), says);
  });
});
