// The example of Elysia. Its adapter has its tests in test/adapters.

import { exampleTests } from "./shop.ts";

exampleTests("elysia");
