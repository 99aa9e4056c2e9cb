import { type RedisOptions, redis } from "../../src/stores/redis/index.ts";

/** For a process of the conformance suite: the store that the query of this module's URL describes. */
export default () => redis(JSON.parse(new URL(import.meta.url).searchParams.get("options")!) as RedisOptions);
