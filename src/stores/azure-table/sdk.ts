// What the Azure Table store uses of the package `@azure/data-tables`.

/** What the store uses of a `TableClient`. */
export interface TableClientLike {
  createTable(options: RequestOptions): Promise<unknown>;
  getEntity(partitionKey: string, rowKey: string, options: QueryOptions): Promise<object>;
  createEntity(entity: Entity, options: RequestOptions): Promise<{ etag?: string }>;
  updateEntity(
    entity: Entity,
    mode: "Merge" | "Replace",
    options: RequestOptions & { etag: string },
  ): Promise<{ etag?: string }>;
  deleteEntity(partitionKey: string, rowKey: string, options: RequestOptions & { etag: string }): Promise<unknown>;
  listEntities(options: QueryOptions): { byPage(settings: { maxPageSize: number }): AsyncIterableIterator<object[]> };
}

export interface RequestOptions {
  abortSignal: AbortSignal;
  /** Called for each answer, also for a refusal. */
  onResponse?: (response: RawResponse) => void;
}

export interface QueryOptions extends RequestOptions {
  queryOptions?: { filter?: string; select?: string[] };
}

export interface RawResponse {
  parsedBody?: unknown;
  headers?: { get(name: string): string | undefined };
}

export interface Entity {
  partitionKey: string;
  rowKey: string;
  [property: string]: unknown;
}
