// The example of Koa. Its adapter has its tests in test/adapters.

import { exampleTests } from "./shop.ts";

exampleTests("koa");
