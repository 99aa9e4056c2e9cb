// coatcheck init: sets coatcheck up in a project.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { type Command, Option } from "commander";
import { reasonOf } from "../../errors.ts";
import { CliError } from "../cli-error.ts";
import type { Output } from "../output.ts";
import { newSecret } from "./keygen.ts";

interface Flags {
  store?: StoreName;
  framework?: FrameworkName;
  force?: boolean;
  yes?: boolean;
}

type StoreName = keyof typeof STORES;
type FrameworkName = keyof typeof FRAMEWORKS;

/** What session.json says for each store, the package of its client, and what git should not see. */
const STORES = {
  memory: { json: { mode: "memory" }, install: [], env: [], ignore: [] },
  file: { json: { mode: "file", options: { path: "./sessions" } }, install: [], env: [], ignore: ["sessions/"] },
  sqlite: {
    json: { mode: "sqlite", options: { path: "./sessions.db" } },
    install: [],
    env: [],
    ignore: ["sessions.db*"],
  },
  redis: {
    json: { mode: "redis", options: { url: "[REDIS_URL]" } },
    install: ["redis"],
    env: ["REDIS_URL=redis://localhost:6379"],
    ignore: [],
  },
  postgres: {
    json: { mode: "postgres", options: { url: "[DATABASE_URL]", createTable: true } },
    install: ["pg"],
    env: ["DATABASE_URL=postgres://localhost:5432/app"],
    ignore: [],
  },
  mysql: {
    json: { mode: "mysql", options: { url: "[DATABASE_URL]", createTable: true } },
    install: ["mysql2"],
    env: ["DATABASE_URL=mysql://localhost:3306/app"],
    ignore: [],
  },
} as const;

const USE = "app.use(session(sessions));";
/** By the package that a project depends on, the first one that is found. What is added after the sessions are made. */
const FRAMEWORKS = {
  next: {
    from: "coatcheck/next",
    imports: "nextSessions",
    use: "export const { session, withSession, action } = nextSessions(sessions);",
  },
  "@sveltejs/kit": { from: "coatcheck/sveltekit", imports: "session", use: "export const handle = session(sessions);" },
  astro: { from: "coatcheck/astro", imports: "session", use: "export const onRequest = session(sessions);" },
  "@tanstack/react-start": {
    from: "coatcheck/tanstack-start",
    imports: "session",
    use: "session(sessions) // a request middleware",
  },
  "react-router": {
    from: "coatcheck/react-router",
    imports: "session",
    use: "export const middleware = [session(sessions)];",
  },
  "@nestjs/core": {
    from: "coatcheck/nest",
    imports: "SessionModule",
    use: "imports: [SessionModule.forRoot(sessions)]",
  },
  fastify: { from: "coatcheck/fastify", imports: "session", use: "await app.register(session(sessions));" },
  hono: { from: "coatcheck/hono", imports: "session", use: USE },
  koa: { from: "coatcheck/koa", imports: "session", use: USE },
  h3: { from: "coatcheck/h3", imports: "session", use: USE },
  elysia: { from: "coatcheck/elysia", imports: "session", use: USE },
  express: { from: "coatcheck/express", imports: "session", use: USE },
  connect: { from: "coatcheck/express", imports: "session", use: USE },
  node: { from: "coatcheck/node", imports: "session", use: "createServer(session(sessions)((req, res) => { … }));" },
} as const;

export function addInit(program: Command, output: Output): void {
  program
    .command("init")
    .description("set coatcheck up in this project: session.json, a secret in .env, and the lines to add")
    .addOption(new Option("--store <name>", "where sessions are kept").choices(Object.keys(STORES)))
    .addOption(new Option("--framework <name>", "the web framework").choices(Object.keys(FRAMEWORKS)))
    .option("-y, --yes", "ask nothing, and take the defaults")
    .option("-f, --force", "replace a session.json that is there")
    .action(async (flags: Flags) => {
      if (existsSync("session.json") && !flags.force) {
        throw new CliError("session.json is there already: add --force to replace it.");
      }
      const framework = flags.framework ?? findFramework();
      const store = flags.store ?? (flags.yes ? "memory" : await ask(output));
      const { json, install, env, ignore } = STORES[store];
      const secret = store === "memory" ? {} : { secret: "[SESSION_SECRET]" };
      const config = {
        $schema: "./node_modules/coatcheck/dist/config/schema.json",
        ...json,
        ...secret,
        cookie: { secure: "auto" },
      };
      writeFileSync("session.json", `${JSON.stringify(config, null, 2)}\n`);
      output.line("session.json is written.");
      addLines(output, ".env", [`SESSION_SECRET=${newSecret()}`, ...env], (line) =>
        line.slice(0, line.indexOf("=") + 1),
      );
      addLines(output, ".gitignore", [".env", ...ignore], (line) => line);
      const { from, imports, use } = FRAMEWORKS[framework];
      output.line();
      if (install.length > 0) output.line(`Install the store's client:  npm install ${install.join(" ")}`);
      output.line(`Add to your application (${framework}):`);
      output.line();
      for (const line of [
        ...(framework === "node" ? ['import { createServer } from "node:http";'] : []),
        'import { createSessions } from "coatcheck";',
        'import { fromConfig } from "coatcheck/config";',
        `import { ${imports} } from "${from}";`,
        'const sessions = createSessions(await fromConfig("session.json"));',
        use,
      ]) {
        output.line(`  ${line}`);
      }
      output.line();
      if (readManifest().type === "commonjs") {
        output.line('These lines are an ES module: set "type": "module" in package.json, or name the file *.mjs.');
      }
      output.line("Start it with the variables of .env:  node --env-file=.env …");
      output.line("Then see whether all is well:  npx coatcheck doctor");
    });
}

function findFramework(): FrameworkName {
  const { dependencies, devDependencies } = readManifest();
  const all = { ...dependencies, ...devDependencies };
  return (Object.keys(FRAMEWORKS) as FrameworkName[]).find((name) => Object.hasOwn(all, name)) ?? "node";
}

function readManifest(): { type?: string; dependencies?: object; devDependencies?: object } {
  if (!existsSync("package.json")) return {};
  try {
    return JSON.parse(readFileSync("package.json", "utf8"));
  } catch (cause) {
    throw new CliError(`package.json can't be read: ${reasonOf(cause)}`);
  }
}

async function ask(output: Output): Promise<StoreName> {
  const names = Object.keys(STORES) as StoreName[];
  if (!process.stdin.isTTY) throw new CliError(`name a store: --store ${names.join(" | ")}`);
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    for (;;) {
      const answer =
        (await lines.question(`Where are sessions kept (${names.join(", ")})? [memory] `)).trim() || "memory";
      const found = names.find((name) => name === answer);
      if (found !== undefined) return found;
      output.line(`"${answer}" is none of them.`);
    }
  } finally {
    lines.close();
  }
}

/** Adds lines to a file, but for those whose beginning is there already. */
function addLines(output: Output, file: string, lines: readonly string[], beginningOf: (line: string) => string): void {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const present = text.split(/\r?\n/);
  const missing = lines.filter((line) => !present.some((one) => one.startsWith(beginningOf(line))));
  if (missing.length === 0) return;
  const separator = text === "" || text.endsWith("\n") ? "" : "\n";
  writeFileSync(file, `${text}${separator}${missing.join("\n")}\n`);
  output.line(`${file}: ${missing.map((line) => line.replace(/=.*/, "")).join(", ")} added.`);
}
