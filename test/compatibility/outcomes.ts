// A reporter for Node's test runner: the outcome of each test, as JSON.

import { basename } from "node:path";
import type { TestEvent } from "node:test/reporters";
import type { Outcome } from "./suite.ts";

export default async function* outcomes(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const found: Outcome[] = [];
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.nesting > 0) continue;
    const { error } = data.details as { error?: Error };
    const title = `${basename(data.file ?? "", ".test.js")}: ${data.name}`;
    found.push({ title, error: error?.message });
  }
  yield JSON.stringify(found);
}
