// The example of Hono. Its adapter has its tests in test/adapters.

import { exampleTests } from "./shop.ts";

exampleTests("hono");
