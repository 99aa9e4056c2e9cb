export { type CachedOptions, cached } from "./cached.ts";
export { type FailoverOptions, type FailoverStore, failover } from "./failover.ts";
export {
  type CopyOptions,
  type CopyProgress,
  type MigratingOptions,
  type MigratingStore,
  migrating,
} from "./migrating.ts";
export { type Partition, type PartitionedStore, partitioned } from "./partitioned.ts";
