// What the Cosmos DB store uses of the package `@azure/cosmos`.

import type { Item } from "./item.ts";

/** What the store uses of a `Container`. */
export interface ContainerLike {
  item(
    id: string,
    partitionKey: string,
  ): {
    read(options: RequestOptions): Promise<Response & { statusCode: number; substatus?: number; resource?: unknown }>;
    patch(
      body: { condition: string; operations: { op: "set"; path: string; value: unknown }[] },
      options: RequestOptions & { initialHeaders: Record<string, string> },
    ): Promise<Response>;
    delete(options: RequestOptions & { accessCondition?: { type: string; condition: string } }): Promise<Response>;
  };
  items: {
    create(item: object, options: RequestOptions): Promise<Response>;
    query(
      query: { query: string; parameters: { name: string; value: string | number }[] },
      options: RequestOptions & { maxItemCount: number },
    ): Pages;
  };
}

export interface Pages {
  fetchNext(): Promise<Response & { resources: Item[] }>;
  hasMoreResults(): boolean;
}

export interface RequestOptions {
  abortSignal: AbortSignal;
}

export interface Response {
  requestCharge?: number;
}
