import { test } from "node:test";
import { conformance } from "../../src/conformance/index.ts";
import { memory } from "../../src/stores/memory.ts";

for (const { name, run } of conformance(() => memory(), {
  shared: false,
  list: true,
  claimExpired: true,
  watch: true,
})) {
  test(name, run);
}
