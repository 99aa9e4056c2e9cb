// The entry point `coatcheck/compose`: stores made of stores.

export { type CachedOptions, cached } from "./cached/index.ts";
export { type FailoverOptions, type FailoverStore, failover } from "./failover/index.ts";
export {
  type CopyOptions,
  type CopyProgress,
  type MigratingOptions,
  type MigratingStore,
  migrating,
} from "./migrating/index.ts";
export { type Partition, type PartitionedStore, partitioned } from "./partitioned/index.ts";
