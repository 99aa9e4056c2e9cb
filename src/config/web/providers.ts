import type { ConfiguredOptions } from "../build.ts";
import { suggestion } from "../errors.ts";
import type { Attributes } from "./attributes.ts";
import { cosmosProvider } from "./cosmos.ts";
import { redisProvider } from "./redis.ts";
import type { Settings } from "./settings.ts";
import { sqlProvider, universalProvider } from "./sql.ts";

/** What a provider's attributes come to. */
export interface Chosen {
  type: string;
  options: object;
  sessions?: ConfiguredOptions;
}

/** What the section around a provider says. */
export interface Surroundings {
  settings: Settings;
  /** `sqlCommandTimeout`, in seconds. */
  commandTimeout: number | undefined;
}

export type ReadProvider = (attributes: Attributes, surroundings: Surroundings) => Promise<Chosen> | Chosen;

const PROVIDERS: Record<string, ReadProvider> = {
  "Microsoft.AspNet.SessionState.CosmosDBSessionStateProviderAsync": cosmosProvider,
  "Microsoft.Web.Redis.RedisSessionStateProvider": redisProvider,
  "Microsoft.AspNet.SessionState.SqlSessionStateProviderAsync": sqlProvider,
  "System.Web.Providers.DefaultSessionStateProvider": universalProvider,
};

/** Reads the provider that its .NET type names. Undefined after a problem. */
export async function readProvider(attributes: Attributes, surroundings: Surroundings): Promise<Chosen | undefined> {
  attributes.text("name");
  attributes.ignore("description", "nothing shows it.");
  const type = attributes.text("type")?.split(",")[0]?.trim();
  if (type === undefined) {
    attributes.refuse("type", "is missing: expected the provider's .NET type.");
    return undefined;
  }
  if (!Object.hasOwn(PROVIDERS, type)) {
    attributes.refuse(
      "type",
      `is "${type}", a .NET class that can't run here: ${suggestion(type, Object.keys(PROVIDERS))} For any other store, write a session.json for fromConfig.`,
    );
    return undefined;
  }
  const chosen = await PROVIDERS[type]!(attributes, surroundings);
  attributes.finish();
  return chosen;
}
