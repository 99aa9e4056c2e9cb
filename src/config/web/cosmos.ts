// Reads the Cosmos DB provider of ASP.NET.

import { NOT_SHOWN, printable } from "../../redaction/texts.ts";
import { type Attributes, ignoreKeepAlive } from "./attributes.ts";
import type { ProviderContext, ProviderResult } from "./provider.ts";

const OWN_PARTITIONS = "each session has its own partition, by the key /id.";

/**
 * Microsoft.AspNet.SessionState.CosmosDBSessionStateProviderAsync.
 * @see https://github.com/aspnet/AspNetSessionState/blob/main/docs/CosmosDBSessionStateProviderAsync.md
 */
export function cosmosProvider(attributes: Attributes, { settings }: ProviderContext): ProviderResult {
  const endpoint = namedSetting("cosmosDBEndPointSettingKey");
  if (endpoint !== undefined && !URL.canParse(endpoint)) {
    attributes.refuse(
      "cosmosDBEndPointSettingKey",
      `names an app setting whose value is ${printable(endpoint)}: expected the URL of the account.`,
    );
  }
  const key = namedSetting("cosmosDBAuthKeySettingKey");
  const collection = id("collectionId");
  const container = id("containerId") ?? collection;
  const database = id("databaseId");
  if (database === undefined) attributes.refuse("databaseId", "is missing: expected the database's name.");
  if (container === undefined) attributes.refuse("containerId", "is missing: expected the container's name.");

  const throughput = attributes.number("offerThroughput", 0) ?? 5000;
  if (throughput > 0 && throughput < 400) {
    attributes.refuse(
      "offerThroughput",
      `is "${throughput}": expected at least 400, or 0 for the database's throughput.`,
    );
  }
  const consistencyLevel = attributes.oneOf("consistencyLevel", [
    "Strong",
    "BoundedStaleness",
    "Session",
    "ConsistentPrefix",
    "Eventual",
  ]);
  const preferredLocations = attributes
    .text("preferredLocations")
    ?.split(";")
    .map((location) => location.trim())
    .filter((location) => location !== "");
  const requestTimeout = attributes.number("requestTimeout", 1) ?? 5;
  const maxConnections = attributes.number("maxConnectionLimit", 1);
  const maxThrottleRetries = attributes.number("maxRetryAttemptsOnThrottledRequests", 0);
  const maxThrottleWait = attributes.number("maxRetryWaitTimeInSeconds", 1) ?? 10;

  attributes.ignore(
    "connectionMode",
    "Microsoft's client for Node.js always uses the gateway mode, over https.",
    (mode) => mode.toLowerCase() !== "gateway",
  );
  attributes.ignore(
    "connectionProtocol",
    "Microsoft's client for Node.js always uses https.",
    (protocol) => protocol.toLowerCase() !== "https",
  );
  for (const name of ["partitionKey", "partitionKeyPath"]) {
    attributes.ignore(
      name,
      `${OWN_PARTITIONS} A container with another partition key is refused.`,
      (path) => path !== "/id",
    );
  }
  attributes.ignore("partitionNumUsedByProvider", OWN_PARTITIONS, (number) => number !== "*");
  ignoreKeepAlive(attributes);

  return {
    type: "cosmos",
    options: {
      endpoint,
      key,
      database,
      container,
      ...(throughput > 0 && { throughput }),
      ...(consistencyLevel && { consistencyLevel }),
      ...(preferredLocations && { preferredLocations }),
      requestTimeout: requestTimeout * 1000,
      ...(maxConnections !== undefined && { maxConnections }),
      ...(maxThrottleRetries !== undefined && { maxThrottleRetries }),
      maxThrottleWait: maxThrottleWait * 1000,
    },
    // Leaves a throttled call the time for its retries.
    sessions: { storeTimeout: (requestTimeout + maxThrottleWait) * 1000 },
  };

  /** The value of the app setting that the attribute names, with or without brackets. */
  function namedSetting(name: string): string | undefined {
    const setting = attributes.text(name)?.replace(/^\[(.*)\]$/, "$1");
    if (setting === undefined) {
      attributes.refuse(name, "is missing: expected the name of an app setting.");
      return undefined;
    }
    const value = settings.appSetting(setting, { named: true });
    if (value) return value;
    const shown = printable(setting);
    const example = shown === NOT_SHOWN ? "<name>" : setting;
    attributes.refuse(
      name,
      `names the app setting ${shown}, which is neither in <appSettings>${settings.encryptedNote("appSettings")} nor in the environment (APPSETTING_${example} or ${example}).`,
    );
    return undefined;
  }

  function id(name: string): string | undefined {
    const text = attributes.text(name);
    return text && settings.expand(text, attributes.at(name));
  }
}
