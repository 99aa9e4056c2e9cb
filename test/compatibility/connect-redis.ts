// connect-redis's own tests, with its store on the drop-in's Store and Cookie. Its package on npm has them.

import { startRedis } from "../servers/redis.ts";
import { ignore, type Suite } from "./suite.ts";

const VERSION = "9.0.0";

export const connectRedis: Suite = {
  name: "connect-redis",
  deviations: [],

  async run(folder) {
    await folder.install(`connect-redis@${VERSION}`, "express-session@1", "redis@5", "vitest@3");
    folder.placeDropIn();
    for (const name of ["index.ts", "index_test.ts"])
      folder.write(name, folder.read(`node_modules/connect-redis/${name}`));
    folder.write("vitest.config.js", 'export default { test: { include: ["index_test.ts"] } };\n');
    const server = await startRedis();
    try {
      // Its own script for the server has a fixed port, and is not in the package.
      const idle = "export async function connect() {}\nexport async function disconnect() {}\n";
      folder.write("testdata/server.ts", `export const port = "${server.port}";\n${idle}`);
      // One test writes a thousand sessions that live for a second each: a busy machine is too slow for that.
      const output = ["--retry=3", "--reporter=json", "--outputFile=report.json"];
      await folder.run(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...output]).catch(ignore);
    } finally {
      await server.stop();
    }
    const { testResults } = JSON.parse(folder.read("report.json")) as VitestReport;
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
    return {
      version: VERSION,
      tests: tests.map(({ fullName, status, failureMessages: [error = status] }) => {
        return { title: fullName, error: status === "passed" ? undefined : error };
      }),
    };
  },
};

interface VitestReport {
  testResults: { assertionResults: { fullName: string; status: string; failureMessages: string[] }[] }[];
}
