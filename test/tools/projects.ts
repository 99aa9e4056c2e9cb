// The projects: what each tool does with the packed library.

import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { COMMON_JS, ES_MODULE, EXPECTED, JEST, TS_JEST, TYPESCRIPT, VITEST, WITH_ALL_STORES } from "./sources.ts";
import { NODE_22, toolPath, type Workspace } from "./workspace.ts";

/** One row of the table. */
export interface Case {
  tool: string;
  /** What is done with it. */
  what: string;
  /** The package that gives the version. */
  version: string;
  /** Throws if it does not work. */
  run(workspace: Workspace): void;
}

const TESTS_PASS = /3 passed/;

export const CASES: readonly Case[] = [
  {
    tool: "Node 22",
    what: "`require()`",
    version: "node22",
    run(workspace) {
      const project = workspace.project("require", { "app.cjs": COMMON_JS });
      assert.match(project.run(NODE_22, ["app.cjs"]), EXPECTED);
    },
  },
  {
    tool: "Node 22",
    what: "`import`",
    version: "node22",
    run(workspace) {
      const project = workspace.project("import", { "app.mjs": ES_MODULE });
      assert.match(project.run(NODE_22, ["app.mjs"]), EXPECTED);
    },
  },
  {
    tool: "Jest",
    what: "CommonJS, on Node 24 with `NODE_OPTIONS=--experimental-vm-modules`",
    version: "jest",
    run(workspace) {
      const project = workspace.project("jest", { "app.test.js": JEST, "jest.config.js": "module.exports = {};" });
      project.run(process.execPath, [toolPath("jest/bin/jest.js")], { NODE_OPTIONS: "--experimental-vm-modules" });
    },
  },
  {
    tool: "Jest",
    what: "CommonJS, on Node 22 with `@swc/jest`",
    version: "jest",
    run(workspace) {
      const project = workspace.project("jest-swc", { "app.test.js": JEST, "jest.config.js": SWC_JEST });
      project.run(NODE_22, [toolPath("jest/bin/jest.js")]);
    },
  },
  {
    tool: "ts-jest",
    what: "CommonJS, on Node 24 with `NODE_OPTIONS=--experimental-vm-modules`",
    version: "ts-jest",
    run(workspace) {
      const compilerOptions = { module: "commonjs", moduleResolution: "node", target: "es2022", types: ["node"], skipLibCheck: true }; // biome-ignore format: one line
      const project = workspace.project("ts-jest", {
        "app.test.ts": TS_JEST,
        "tsconfig.json": JSON.stringify({ compilerOptions: { ...compilerOptions, strict: true } }),
        "jest.config.js": 'module.exports = { preset: "ts-jest" };',
      });
      project.run(process.execPath, [toolPath("jest/bin/jest.js")], { NODE_OPTIONS: "--experimental-vm-modules" });
    },
  },
  {
    tool: "Vitest",
    what: "ES modules",
    version: "vitest",
    run(workspace) {
      const project = workspace.project("vitest", { "app.test.ts": VITEST, "package.json": '{ "type": "module" }' });
      assert.match(project.run(process.execPath, [toolPath("vitest/vitest.mjs"), "run", "--root", "."]), TESTS_PASS);
    },
  },
  ...(["esm", "cjs"] as const).map(
    (format): Case => ({
      tool: "esbuild",
      what: format === "esm" ? "a bundle with all stores and no client, as ES module" : "a bundle in CommonJS",
      version: "esbuild",
      run(workspace) {
        const source = format === "esm" ? WITH_ALL_STORES : ES_MODULE.replace("await main()", "main()");
        const project = workspace.project(`esbuild-${format}`, { "app.mjs": source });
        const out = `out.${format === "esm" ? "mjs" : "cjs"}`;
        project.run("esbuild", ["app.mjs", "--bundle", "--platform=node", `--format=${format}`, `--outfile=${out}`]);
        assert.match(project.run(process.execPath, [out]), EXPECTED);
      },
    }),
  ),
  {
    tool: "webpack",
    what: "a bundle with all stores and no client",
    version: "webpack",
    run(workspace) {
      const project = workspace.project("webpack", { "app.mjs": WITH_ALL_STORES, "webpack.config.cjs": WEBPACK });
      project.run(process.execPath, [toolPath("webpack-cli/bin/cli.js")]);
      assert.match(project.run(process.execPath, ["out/main.mjs"]), EXPECTED);
    },
  },
  {
    tool: "Rollup",
    what: "a bundle with all stores and no client",
    version: "rollup",
    run(workspace) {
      const project = workspace.project("rollup", { "app.mjs": WITH_ALL_STORES, "rollup.config.mjs": ROLLUP });
      project.run(process.execPath, [toolPath("rollup/dist/bin/rollup"), "-c"]);
      assert.match(project.run(process.execPath, ["out/app.mjs"]), EXPECTED);
    },
  },
  {
    tool: "pnpm",
    what: "installed, and `import`",
    version: "pnpm",
    run(workspace) {
      const manifest = { private: true, dependencies: { coatcheck: `file:${workspace.tarball}` } };
      const project = workspace.empty("pnpm", { "app.mjs": ES_MODULE, "package.json": JSON.stringify(manifest) });
      project.run("pnpm", ["install", "--prefer-offline"]);
      assert.match(project.run(process.execPath, ["app.mjs"]), EXPECTED);
    },
  },
  ...(["mjs", "cjs"] as const).map(
    (extension): Case => ({
      tool: "Yarn PnP",
      what: extension === "mjs" ? "installed, and `import`" : "installed, and `require()`",
      version: "@yarnpkg/cli-dist",
      run(workspace) {
        const registry = workspace
          .empty("npm", { "package.json": "{}" })
          .run("npm", ["config", "get", "registry"])
          .trim();
        const manifest = { private: true, dependencies: { coatcheck: `file:${workspace.tarball}` } };
        const project = workspace.empty(`yarn-${extension}`, {
          "package.json": JSON.stringify(manifest),
          "yarn.lock": "",
          ".yarnrc.yml": yarnrc(registry),
          [`app.${extension}`]: extension === "mjs" ? ES_MODULE : COMMON_JS,
        });
        const yarn = toolPath("@yarnpkg/cli-dist/bin/yarn.js");
        project.run(process.execPath, [yarn, "install"], { YARN_ENABLE_IMMUTABLE_INSTALLS: "0" });
        const loader = pathToFileURL(join(project.folder, ".pnp.loader.mjs")).href;
        const node = ["--require", "./.pnp.cjs", "--experimental-loader", loader];
        assert.match(project.run(process.execPath, [...node, `app.${extension}`]), EXPECTED);
      },
    }),
  ),
];

/** Compilers, from the oldest on. The last one is that of the library itself. */
export const COMPILERS = ["ts50", "ts53", "ts56", "ts59", "ts60", "ts70"] as const;

/** How an application may be set up, and which compilers can't be, and why. */
export const SETUPS: readonly {
  name: string;
  type: "commonjs" | "module";
  options: object;
  without?: Partial<Record<(typeof COMPILERS)[number], string>>;
}[] = [
  {
    name: "`node`",
    type: "commonjs",
    options: { module: "commonjs", moduleResolution: "node" },
    without: { ts70: "removed from TypeScript 7" },
  },
  {
    name: "`node16`, CommonJS",
    type: "commonjs",
    options: { module: "node16", moduleResolution: "node16" },
    without: { ts50: "needs TypeScript 5.3" },
  },
  { name: "`node16`, ES modules", type: "module", options: { module: "node16", moduleResolution: "node16" } },
  {
    name: "`nodenext`, CommonJS",
    type: "commonjs",
    options: { module: "nodenext", moduleResolution: "nodenext" },
    without: { ts50: "needs TypeScript 5.3" },
  },
  { name: "`nodenext`, ES modules", type: "module", options: { module: "nodenext", moduleResolution: "nodenext" } },
  { name: "`bundler`", type: "module", options: { module: "esnext", moduleResolution: "bundler" } },
];

/** Compiles the application, and runs what comes out. Throws if one does not work. */
export function compile(
  workspace: Workspace,
  compiler: (typeof COMPILERS)[number],
  setup: (typeof SETUPS)[number],
): void {
  const isModule = setup.type === "module";
  const source = isModule
    ? TYPESCRIPT.replace('import express = require("express")', 'import express from "express"')
    : TYPESCRIPT;
  const compilerOptions = {
    ...{
      strict: true,
      target: "es2022",
      lib: ["es2022", "dom"],
      types: ["node"],
      skipLibCheck: true,
      esModuleInterop: true,
    },
    ...{ outDir: "out", rootDir: "." },
    ...(compiler === "ts60" && { ignoreDeprecations: "6.0" }),
    ...setup.options,
  };
  const project = workspace.project(`${compiler} ${setup.name}`, {
    "app.ts": source,
    "package.json": JSON.stringify({ type: setup.type }),
    "tsconfig.json": JSON.stringify({ compilerOptions, files: ["app.ts"] }),
  });
  project.run(process.execPath, [toolPath(compiler, "bin/tsc"), "-p", "."]);
  assert.match(project.run(process.execPath, ["out/app.js"]), /the coat is back/);
}

const SWC_JEST = `module.exports = {
  transform: { "\\\\.[cm]?[jt]sx?$": "@swc/jest" },
  transformIgnorePatterns: ["/node_modules/(?!(coatcheck|devalue)/)"],
};`;

const WEBPACK = `module.exports = {
  mode: "production", target: "node22", entry: "./app.mjs",
  output: { path: __dirname + "/out", filename: "main.mjs", module: true, chunkFormat: "module", library: { type: "module" } },
  experiments: { outputModule: true },
};`;

const ROLLUP = `import commonjs from "@rollup/plugin-commonjs";
import json from "@rollup/plugin-json";
import resolve from "@rollup/plugin-node-resolve";
export default {
  input: "app.mjs",
  output: { dir: "out", format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" },
  plugins: [resolve({ exportConditions: ["node"], preferBuiltins: true }), commonjs(), json()],
};`;

function yarnrc(registry: string): string {
  return [
    "nodeLinker: pnp",
    `npmRegistryServer: "${registry}"`,
    'unsafeHttpWhitelist: ["*"]',
    "enableGlobalCache: false",
    "enableTelemetry: false",
    "pnpEnableEsmLoader: true",
  ].join("\n");
}
