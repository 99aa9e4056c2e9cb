// Runs express-session's own tests against the drop-in: npm run test:compatibility
// The tests come from its repository. EXPRESS_SESSION_GIT names a clone or a bare repository; otherwise git fetches one.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = "https://github.com/expressjs/session.git";
const VERSION = "1.19.0";
const DROP_IN = fileURLToPath(new URL("../../src/adapters/express-session/index.ts", import.meta.url));

/** Tests that the drop-in fails on purpose, each with a row in docs/compatibility.md. */
const DEVIATIONS: readonly string[] = [];

interface Report {
  stats: { tests: number; passes: number; failures: number };
  failures: { fullTitle: string; err: { message?: string } }[];
}

const folder = mkdtempSync(join(tmpdir(), "coatcheck-compatibility-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

function run(command: string, args: readonly string[], cwd = folder): string {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 2 ** 26 });
}

/** Says why, and ends: what can't be fetched says nothing of the drop-in. */
function skip(reason: string, error: unknown): never {
  const { stderr, message } = error as { stderr?: string; message: string };
  console.log(`Skipped: ${reason}.\n${(stderr || message).trim()}`);
  process.exit(0);
}

/** Puts the tests of the version into the folder. */
function fetchTests(): string {
  let git = process.env.EXPRESS_SESSION_GIT;
  if (git === undefined) {
    git = join(folder, "git");
    try {
      run("git", ["clone", "--quiet", "--bare", REPOSITORY, git]);
    } catch (error) {
      skip(`${REPOSITORY} can't be fetched. EXPRESS_SESSION_GIT may name a repository`, error);
    }
  }
  const commit = commitOf(git);
  writeFileSync(join(folder, "tests.tar"), execFileSync("git", ["-C", git, "archive", commit, "test", "package.json"]));
  run("tar", ["xf", "tests.tar"]);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  return `${version} (${commit.slice(0, 7)})`;
}

/** The commit of the version, or the newest one where the repository has no tags. */
function commitOf(git: string): string {
  try {
    return run("git", ["-C", git, "rev-parse", "--verify", "--quiet", `v${VERSION}^{commit}`]).trim();
  } catch {
    return run("git", ["-C", git, "rev-parse", "HEAD"]).trim();
  }
}

/** Mocha and what the tests import, in the versions that express-session uses. */
function installRunner(): void {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const needed = ["after", "cookie-parser", "express", "mocha", "supertest"];
  const versions = needed.map((name) => `${name}@${manifest.devDependencies[name]}`);
  versions.push(`cookie-signature@${manifest.dependencies["cookie-signature"]}`);
  writeFileSync(join(folder, "package.json"), '{"private":true}');
  try {
    run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", ...versions]);
  } catch (error) {
    skip("npm can't install mocha and the other packages of the tests", error);
  }
}

/** In the place of express-session's files, the drop-in. And the certificate that its tests need. */
function placeDropIn(): void {
  mkdirSync(join(folder, "session"));
  mkdirSync(join(folder, "test/fixtures"), { recursive: true });
  writeFileSync(join(folder, "index.js"), `module.exports = require(${JSON.stringify(DROP_IN)}).default;\n`);
  writeFileSync(join(folder, "session/cookie.js"), 'module.exports = require("../").Cookie;\n');
  const subject = ["-subj", "/CN=express-session.local"];
  const files = ["-keyout", "test/fixtures/server.key", "-out", "test/fixtures/server.crt"];
  run("openssl", ["req", "-x509", "-nodes", "-newkey", "rsa:2048", ...files, "-days", "2", ...subject]);
}

function runTests(): Report {
  const output = "report.json";
  const reporter = ["--reporter", "json", "--reporter-option", `output=${output}`];
  const args = ["node_modules/mocha/bin/mocha.js", "--require", "test/support/env", "--check-leaks", "--exit"];
  try {
    run(process.execPath, [...args, ...reporter, "test/"]);
  } catch {} // the report says what failed
  return JSON.parse(readFileSync(join(folder, output), "utf8")) as Report;
}

const version = fetchTests();
installRunner();
placeDropIn();
const { stats, failures } = runTests();
console.log(
  `express-session ${version}: of its ${stats.tests} tests, ${stats.passes} pass and ${stats.failures} fail.`,
);
for (const { fullTitle, err } of failures) {
  console.log(`${DEVIATIONS.includes(fullTitle) ? "on purpose" : "FAILS"}: ${fullTitle}\n  ${err.message ?? ""}`);
}
const unexpected = failures.filter(({ fullTitle }) => !DEVIATIONS.includes(fullTitle));
process.exitCode = unexpected.length === 0 && stats.tests > 0 ? 0 : 1;
