// Misspelt options of the adapters.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { session as onExpress } from "../../src/adapters/express.ts";
import { session as onFastify } from "../../src/adapters/fastify.ts";
import { session as onFetch } from "../../src/adapters/fetch.ts";
import { session as onNode } from "../../src/adapters/node.ts";
import { createSessions } from "../../src/index.ts";

const sessions = createSessions<object>();
const NAMES = {
  express: ["mode", "saveFailed", "property"],
  fastify: ["mode", "saveFailed", "property"],
  fetch: ["mode", "saveFailed", "onError"],
  node: ["mode", "saveFailed", "property", "onError"],
};
const ADAPTERS = { express: onExpress, fastify: onFastify, fetch: onFetch, node: onNode };

for (const [name, adapter] of Object.entries(ADAPTERS)) {
  const session = adapter as (given?: unknown, options?: unknown) => unknown;

  describe(`coatcheck/${name}`, () => {
    for (const option of NAMES[name as keyof typeof NAMES]) {
      test(`a misspelt ${option} is refused with the name that was meant`, () => {
        assert.throws(() => session(sessions, { [option.toUpperCase()]: true }), {
          code: "COATCHECK_OPTION",
          message: new RegExp(`is unknown: did you mean "${option}"`),
        });
      });
    }

    test("a misspelt mode, and a text for a boolean, are refused when the adapter is made", () => {
      assert.throws(() => session(sessions, { mode: "exlusive" }), /"mode" is "exlusive": use "merge", "exclusive"/);
      assert.throws(() => session(sessions, { saveFailed: "no" }), /"saveFailed" is "no": give true or false/);
      for (const mode of ["merge", "exclusive", "readonly", "none", () => "merge"]) session(sessions, { mode });
    });

    test("options in the wrong argument are told apart", () => {
      assert.throws(() => session(sessions, { idleTimeout: "1h" }), /"idleTimeout" of session\(\).*first argument/);
      assert.throws(
        () => session({ saveFailed: true }),
        /"saveFailed" of createSessions\(\).*session\(sessions, \{ … \}\)/,
      );
      assert.throws(() => session({ resave: false, saveUninitialized: true }), /resave.*saveUninitialized/s);
      for (const wrong of ["redis://localhost", null]) {
        assert.throws(() => session(wrong), /the options of createSessions\(\) are (a string|null): give an object/);
      }
    });
  });
}
