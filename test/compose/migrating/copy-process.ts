// A process that runs copy(), and reports its progress.

import type { MigratingStore } from "../../../src/compose/index.ts";
import { storeOf } from "../spec.ts";

const store = storeOf(JSON.parse(process.argv[2]!)) as MigratingStore;
await store.copy({ perSecond: 1_000, onProgress: (progress) => process.send!(progress) });
await store.close();
process.disconnect();
