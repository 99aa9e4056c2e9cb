export { type CachedOptions, cached } from "./cached.ts";
