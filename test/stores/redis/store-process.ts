// The store of a process of the conformance suite. Its options are in the query of this module's URL.

import { type RedisOptions, redis } from "../../../src/stores/redis/index.ts";

export default () => redis(JSON.parse(new URL(import.meta.url).searchParams.get("options")!) as RedisOptions);
