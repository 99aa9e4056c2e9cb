export { type CachedOptions, cached } from "./cached.ts";
export { type Partition, type PartitionedStore, partitioned } from "./partitioned.ts";
