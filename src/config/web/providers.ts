// The providers of ASP.NET that a web.config may name.

import { printable } from "../../redaction/texts.ts";
import { suggestion } from "../../util/option-names.ts";
import type { Attributes } from "./attributes.ts";
import { cosmosProvider } from "./cosmos.ts";
import type { ProviderContext, ProviderResult, ReadProvider } from "./provider.ts";
import { redisProvider } from "./redis.ts";
import { sqlProvider, universalProvider } from "./sql.ts";

const PROVIDERS: Record<string, ReadProvider> = {
  "Microsoft.AspNet.SessionState.CosmosDBSessionStateProviderAsync": cosmosProvider,
  "Microsoft.Web.Redis.RedisSessionStateProvider": redisProvider,
  "Microsoft.AspNet.SessionState.SqlSessionStateProviderAsync": sqlProvider,
  "System.Web.Providers.DefaultSessionStateProvider": universalProvider,
};

/** Reads the provider that the .NET type names. Undefined if there is a problem with the type. */
export async function readProvider(
  attributes: Attributes,
  context: ProviderContext,
): Promise<ProviderResult | undefined> {
  attributes.text("name");
  attributes.ignore("description", "it is shown nowhere.");
  const type = attributes.text("type")?.split(",")[0]?.trim();
  if (type === undefined) {
    attributes.refuse("type", "is missing: expected the provider's .NET type.");
    return undefined;
  }
  const known = Object.keys(PROVIDERS).find((name) => name.toLowerCase() === type.toLowerCase());
  if (known === undefined) {
    attributes.refuse(
      "type",
      `is ${printable(type)}, a .NET class that can't run here: ${suggestion(type, Object.keys(PROVIDERS))} For any other store, write a session.json and use fromConfig().`,
    );
    return undefined;
  }
  const result = await PROVIDERS[known]!(attributes, context);
  attributes.finish();
  return result;
}
