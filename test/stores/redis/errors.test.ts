// What an error of Redis says of the command that it refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { StoreError } from "../../../src/errors.ts";
import { NotConnectedError, toThrow } from "../../../src/stores/redis/errors.ts";

const scriptBefore7 = (code: string) =>
  `ERR Error running script (call to f_8ed5cff1128c77d5958179064d41774289fc6630): @user_script:7: @user_script: 7: -${code} reason`;

/** The texts as servers send them. */
const refusals: [string, { refusesWrites: boolean; renews: boolean }][] = [
  ["READONLY You can't write against a read only replica.", { refusesWrites: false, renews: true }],
  [
    "READONLY You can't write against a read only replica. script: 8ed5, on @user_script:7.",
    { refusesWrites: false, renews: true },
  ],
  [scriptBefore7("READONLY"), { refusesWrites: false, renews: true }],
  ["OOM command not allowed when used memory > 'maxmemory'.", { refusesWrites: true, renews: false }],
  [scriptBefore7("OOM"), { refusesWrites: true, renews: false }],
  [
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    { refusesWrites: true, renews: false },
  ],
  ["NOREPLICAS Not enough good replicas to write.", { refusesWrites: true, renews: false }],
  ["NOPERM this user has no permissions to run the 'set' command", { refusesWrites: true, renews: false }],
  ["LOADING Redis is loading the dataset in memory", { refusesWrites: false, renews: true }],
  [
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    { refusesWrites: false, renews: true },
  ],
  ["CLUSTERDOWN The cluster is down", { refusesWrites: false, renews: true }],
  ["CLUSTERDOWN Hash slot not served", { refusesWrites: false, renews: true }],
  ["NOAUTH Authentication required.", { refusesWrites: false, renews: true }],
  ["MOVED 1234 10.0.0.1:6379", { refusesWrites: false, renews: true }],
  [
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    { refusesWrites: false, renews: false },
  ],
];
for (const [text, { refusesWrites, renews }] of refusals) {
  test(`not applied: ${text.slice(0, 70)}`, () => {
    let renewals = 0;
    const cause = new Error(text);
    const error = toThrow({ renew: () => void renewals++ }, cause);
    assert.ok(error instanceof StoreError);
    assert.equal(error.applied, false);
    assert.equal(error.refusesWrites === true, refusesWrites);
    assert.equal(error.cause, cause);
    assert.equal(renewals > 0, renews);
  });
}

test("not applied: a command that was never sent", () => {
  for (const cause of [
    new NotConnectedError("no connection"),
    new Error("The client is offline"),
    new Error("The queue is full"),
  ]) {
    const error = toThrow({}, cause);
    assert.ok(error instanceof StoreError);
    assert.equal(error.applied, false);
    assert.equal(error.refusesWrites, undefined);
  }
});

test("any other error may have been applied, and stays as it is", () => {
  const texts = [
    "Socket closed unexpectedly",
    "Disconnects client",
    "ERR not a session of coatcheck",
    "read ECONNRESET",
    "the READONLY flag",
  ];
  for (const text of texts) {
    const cause = new Error(text);
    assert.equal(toThrow({ renew: () => assert.fail("it says nothing of the server") }, cause), cause);
  }
});
