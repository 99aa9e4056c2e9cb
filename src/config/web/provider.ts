// The types of the functions that read a provider.

import type { ConfiguredOptions } from "../build.ts";
import type { Attributes } from "./attributes.ts";
import type { Settings } from "./settings.ts";

/** The store and the session options that a provider's attributes mean. */
export interface ProviderResult {
  type: string;
  options: object;
  sessions?: ConfiguredOptions;
}

/** What a provider needs besides its own attributes. */
export interface ProviderContext {
  settings: Settings;
  /** The `sqlCommandTimeout` of `<sessionState>`, in seconds. */
  commandTimeout: number | undefined;
}

export type ReadProvider = (
  attributes: Attributes,
  context: ProviderContext,
) => Promise<ProviderResult> | ProviderResult;
