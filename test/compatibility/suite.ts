// What the suites of other packages share: a folder of their own, their files, what they import, and what their tests say.

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The tests of another package, run against coatcheck. */
export interface Suite {
  /** As npm calls the package. */
  readonly name: string;
  /** Its tests that can't hold here. docs/compatibility.md has a row for each reason. */
  readonly deviations: readonly Deviation[];
  /** Fetches the tests and what they import, and runs them. */
  run(folder: Folder): Promise<Report>;
}

export interface Deviation {
  readonly reason: string;
  readonly tests: readonly string[];
}

export interface Report {
  /** The version of the package whose tests ran. */
  readonly version: string;
  readonly tests: readonly Outcome[];
}

export interface Outcome {
  readonly title: string;
  /** Undefined: the test passes. */
  readonly error: string | undefined;
}

/** Tests that can't be fetched say nothing of coatcheck. */
export class NotFetched extends Error {
  constructor(what: string, cause: unknown) {
    const { stderr, message } = cause as { stderr?: string; message: string };
    super(`${what}\n${(stderr || message).trim()}`);
  }
}

export const DROP_IN = source("adapters/express-session/index.ts");

/** The path of a file under src/. */
export function source(path: string): string {
  return fileURLToPath(new URL(`../../src/${path}`, import.meta.url));
}

/** Holds one suite. It goes when this process ends. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), "coatcheck-compatibility-"));

  constructor() {
    process.on("exit", () => rmSync(this.path, { recursive: true, force: true }));
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(join(this.path, name)), { recursive: true });
    writeFileSync(join(this.path, name), text);
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), "utf8");
  }

  link(name: string, target: string): void {
    rmSync(join(this.path, name), { recursive: true, force: true });
    symlinkSync(target, join(this.path, name));
  }

  async run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const options = { cwd: this.path, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 };
    return (await promisify(execFile)(command, args, options)).stdout;
  }

  /**
   * Puts files of a repository here, as they are in a version, or in the newest commit where the version has no tag.
   * A variable of the environment may name a clone or a bare repository: EXPRESS_SESSION_GIT for express-session.
   * Resolves with the version that the files say, and their commit.
   */
  async checkOut(name: string, repository: string, version: string, paths: readonly string[]): Promise<string> {
    const variable = `${name.replace(/^@/, "").replace(/\W/g, "_").toUpperCase()}_GIT`;
    let git = process.env[variable];
    if (git === undefined) {
      git = join(this.path, "git");
      await this.run("git", ["clone", "--quiet", "--bare", repository, git]).catch((error) => {
        throw new NotFetched(`${repository} can't be fetched. ${variable} may name a repository.`, error);
      });
    }
    const tag = this.run("git", ["-C", git, "rev-parse", "--verify", "--quiet", `v${version}^{commit}`]);
    const commit = (await tag.catch(() => this.run("git", ["-C", git, "rev-parse", "HEAD"]))).trim();
    await this.run("git", ["-C", git, "archive", "--output", join(this.path, "files.tar"), commit, ...paths]);
    await this.run("tar", ["xf", "files.tar"]);
    return `${JSON.parse(this.read("package.json")).version} (${commit.slice(0, 7)})`;
  }

  /** Installs packages, `name@range` each. */
  async install(...packages: readonly string[]): Promise<void> {
    this.write("package.json", '{"private":true}');
    const options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"];
    await this.run("npm", ["install", ...options, ...packages]).catch((error) => {
      throw new NotFetched(`npm can't install what the tests import: ${packages.join(" ")}`, error);
    });
  }

  /** Puts the drop-in in the place of the package express-session, for those that `require` or import it. */
  placeDropIn(): void {
    this.write(
      "node_modules/express-session/package.json",
      '{"name":"express-session","version":"1.19.0","main":"index.js"}',
    );
    // The names are there for `import { Store } from "express-session"`: Node reads them from the text.
    const names = ["Store", "Cookie", "Session", "MemoryStore"].map((name) => `exports.${name} = dropIn.${name};\n`);
    this.write(
      "node_modules/express-session/index.js",
      `const dropIn = require(${JSON.stringify(DROP_IN)}).default;\nexports = module.exports = dropIn;\n${names.join("")}`,
    );
  }

  /** Runs Mocha. What it says stands in its report, whether tests fail or not. */
  async mocha(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome[]> {
    const reporter = ["--reporter", "json", "--reporter-option", "output=report.json"];
    await this.run(process.execPath, ["node_modules/mocha/bin/mocha.js", "--exit", ...reporter, ...args], env).catch(
      ignore,
    );
    const { tests } = JSON.parse(this.read("report.json")) as { tests: MochaTest[] };
    return tests.map(({ fullTitle, err }) => ({ title: fullTitle, error: err.message }));
  }
}

interface MochaTest {
  fullTitle: string;
  /** Empty unless the test fails. */
  err: { message?: string };
}

/** The versions of packages that a package develops with, `name@range` each. */
export function rangesOf(manifest: string, names: readonly string[]): string[] {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(manifest) as Record<string, Record<string, string>>;
  return names.map((name) => `${name}@${devDependencies[name] ?? dependencies[name]}`);
}

/** Failing tests end a runner with an error. They are counted by its report. */
export function ignore(): void {}
