import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, run } from "./servers/process.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

function bench(script: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`bench/${script}`, ...args], {
    cwd: root,
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

describe("who calls the benchmark with something wrong is told so, and how to call it", () => {
  const wrong: [script: string, args: string[], says: RegExp][] = [
    ["run.ts", ["--quik"], /^Unknown option '--quik'\n/],
    ["run.ts", ["--only", "bare-node,nobody"], /^--only: there is no "nobody"\.\n/],
    ["run.ts", ["--scenarios", "reed"], /^--scenarios: there is no "reed"\.\n/],
    ["run.ts", ["--rounds", "0"], /^--rounds takes a whole number from 1, and not "0"\.\n/],
    ["run.ts", ["--out", `${process.execPath}/results`], /^ENOTDIR: /],
    ["latency.ts", ["--rates", "250,fast"], /^--rates takes a whole number from 1, and not "fast"\.\n/],
    ["bytes/run.ts", ["--only", "oracle"], /^--only: there is no "oracle"\.\n/],
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

  test("run.ts --help names options and contenders", () => {
    const { status, stdout, stderr } = bench("run.ts", "--help");
    assert.match(stdout, /^npm run bench .*--quick.*--only.*coatcheck-express\+redis/s);
    assert.deepEqual([status, stderr], [0, ""]);
  });
});

describe("a server that is not installed", () => {
  const says = /no-such-server is missing: "npm run servers" installs/;

  test("is an error that says what to do", async () => {
    await assert.rejects(run("no-such-server", []), says);
    await assert.rejects(launch({ name: "it", command: "no-such-server", args: [], ready: () => false }), says);
  });
});
