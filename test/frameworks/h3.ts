// The example of h3. Its adapter has its tests in test/adapters.

import { exampleTests } from "./shop.ts";

exampleTests("h3");
