// express-session's own tests, against the drop-in.

import type { Suite } from "./suite.ts";
import { DROP_IN, rangesOf } from "./suite.ts";

const VERSION = "1.19.0";
const REPOSITORY = "https://github.com/expressjs/session.git";
const RUNNER = ["after", "cookie-parser", "express", "mocha", "supertest", "cookie-signature"];

export const expressSession: Suite = {
  name: "express-session",
  deviations: [],

  async run(folder) {
    const version = await folder.checkOut(this.name, REPOSITORY, VERSION, ["test", "package.json"]);
    await folder.install(...rangesOf(folder.read("package.json"), RUNNER));
    // In the place of its files, the drop-in. And the certificate that the tests need.
    folder.write("index.js", `module.exports = require(${JSON.stringify(DROP_IN)}).default;\n`);
    folder.write("session/cookie.js", 'module.exports = require("../").Cookie;\n');
    folder.write("test/fixtures/.keep", "");
    const files = ["-keyout", "test/fixtures/server.key", "-out", "test/fixtures/server.crt"];
    const subject = ["-subj", "/CN=express-session.local"];
    await folder.run("openssl", ["req", "-x509", "-nodes", "-newkey", "rsa:2048", ...files, "-days", "2", ...subject]);
    const tests = await folder.mocha(["--require", "test/support/env", "--check-leaks", "test/"]);
    return { version, tests };
  },
};
