// Translates `<sessionState>` and what belongs to it into options.

import { printable } from "../../redaction/texts.ts";
import { suggestion } from "../../util/option-names.ts";
import type { Configuration, ConfiguredOptions } from "../build.ts";
import type { Environment } from "../environment.ts";
import { builtInName } from "../stores.ts";
import { Attributes, type Report } from "./attributes.ts";
import type { ProviderContext, ProviderResult } from "./provider.ts";
import { readProvider } from "./providers.ts";
import type { WebConfig } from "./sections.ts";
import { encryptedSection, type Settings } from "./settings.ts";
import { sqlServerMode } from "./sql.ts";
import { attributeOf, type Element } from "./xml.ts";

const PROVIDER_OF: Record<string, string> = {
  redis: "Microsoft.Web.Redis.RedisSessionStateProvider",
  cosmos: "Microsoft.AspNet.SessionState.CosmosDBSessionStateProviderAsync",
  mssql: "Microsoft.AspNet.SessionState.SqlSessionStateProviderAsync",
};
const MODES = ["Off", "InProc", "StateServer", "SQLServer", "Custom"] as const;
const MINUTE = 60_000;
const THIRTY_DAYS = 30 * 24 * 60 * MINUTE;
const YEAR_IN_MINUTES = 525_600;

/**
 * Reads `<sessionState>`, and the other sections and settings that concern sessions.
 * @see https://learn.microsoft.com/previous-versions/dotnet/netframework-4.0/h6bb9cz9(v=vs.100)
 */
export async function readSessionState(
  file: WebConfig,
  settings: Settings,
  env: Environment,
  report: Report,
): Promise<Pick<Configuration, "store" | "sessions">> {
  const section = file.section("system.web", "sessionState");
  const attributes = new Attributes(section, "sessionState", report, "case-sensitive");
  const mode = readModeName(attributes);
  const timeout = (attributes.number("timeout", 1, YEAR_IN_MINUTES) ?? 20) * MINUTE;
  const compress = attributes.boolean("compressionEnabled") ?? false;
  const cookie = readCookie(
    attributes,
    new Attributes(file.section("system.web", "httpCookies"), "httpCookies", report, "case-sensitive"),
  );
  readTickets(attributes);
  const before = report.count();
  const result = await readMode(mode, section, attributes, {
    settings,
    commandTimeout: readCommandTimeout(attributes, mode),
  });
  // A store is made only of options without a problem.
  const store =
    result && report.count() === before
      ? { type: result.type, options: defined(result.options), path: "sessionState" }
      : undefined;
  attributes.ignore("configBuilders", "a variable of the environment takes the place of its name in brackets.");
  attributes.finish();
  readPages(file, report);

  const secret = readSecret(file, settings, env, report);
  if (secret === undefined && file.isEncrypted("machineKey") && result !== undefined && result.type !== "memory") {
    report.problem(`the secret is missing, since ${encryptedSection("machineKey", "the variable SESSION_SECRET")}`);
  }
  if (file.isEncrypted("appSettings")) {
    report.warn(
      "appSettings has no effect: it is encrypted for Windows. Only variables of the environment are app settings.",
    );
  }
  const sessions: ConfiguredOptions = {
    idleTimeout: timeout,
    // ASP.NET has no absolute timeout, so it must not end a session before the idle timeout does.
    ...(timeout > THIRTY_DAYS && { absoluteTimeout: timeout }),
    cookie,
    ...readConcurrency(settings, report),
    ...(compress && { compress }),
    ...(secret !== undefined && { secret }),
    ...result?.sessions,
  };
  return { sessions, store: mode === "Off" ? "off" : store };
}

function readModeName(attributes: Attributes): (typeof MODES)[number] {
  const store = builtInName(attributes.text("mode")?.toLowerCase() ?? "");
  if (store === undefined) return attributes.oneOf("mode", MODES) ?? "InProc";
  const provider = PROVIDER_OF[store];
  attributes.refuse(
    "mode",
    `is ${printable(store)}, a store of coatcheck and no mode of ASP.NET: ${provider === undefined ? "" : `use mode="Custom" with the provider ${provider}, or `}write a session.json with this mode and use fromConfig().`,
  );
  return "InProc";
}

async function readMode(
  mode: (typeof MODES)[number],
  section: Element | undefined,
  attributes: Attributes,
  context: ProviderContext,
): Promise<ProviderResult | undefined> {
  const unused = `it has no meaning with mode "${mode}".`;
  const stateServer = "there is no client for a state server.";
  for (const name of ["stateConnectionString", "stateNetworkTimeout"]) {
    attributes.ignore(name, mode === "StateServer" ? stateServer : unused);
  }
  attributes.ignore("useHostingIdentity", "the connection string says how to log in.");
  attributes.ignore("sqlConnectionRetryInterval", "calls that are safe to retry are retried within their time limit.");
  if (mode === "SQLServer") {
    if (attributes.text("partitionResolverType") !== undefined) {
      attributes.refuse(
        "partitionResolverType",
        "names a .NET class, which can't run here, and without it sessions would be looked for in the wrong database: use partitioned() of coatcheck/compose in code.",
      );
    }
  } else {
    for (const name of ["sqlConnectionString", "allowCustomSqlDatabase", "partitionResolverType"]) {
      attributes.ignore(name, unused);
    }
  }
  if (mode !== "Custom") attributes.ignore("customProvider", unused);

  switch (mode) {
    case "Off":
      return undefined;
    case "InProc":
      return { type: "memory", options: {} };
    case "SQLServer":
      return sqlServerMode(attributes, context);
    case "StateServer":
      attributes.refuse(
        "mode",
        'is "StateServer", a Windows service that has no client here: use Redis (mode="Custom" with Microsoft.Web.Redis.RedisSessionStateProvider), or on one machine the store "file" in a session.json.',
      );
      return undefined;
    case "Custom":
      return readCustom(section, attributes, context);
  }
}

async function readCustom(section: Element | undefined, attributes: Attributes, context: ProviderContext) {
  const providers = readProviders(section, attributes.report);
  const names = [...providers.values()].map((element) => attributeOf(element, "name")!.trim());
  const name = attributes.text("customProvider");
  if (name === undefined) {
    attributes.refuse(
      "customProvider",
      `is missing: mode "Custom" needs the name of one of the providers: ${names.join(", ")}.`,
    );
    return undefined;
  }
  const provider = providers.get(name.toLowerCase());
  if (provider === undefined) {
    attributes.refuse(
      "customProvider",
      `is ${printable(name)}, which is not one of the providers: ${suggestion(name, names)}`,
    );
    return undefined;
  }
  const path = `sessionState/providers/add[${name}]`;
  return readProvider(new Attributes(provider, path, attributes.report), context);
}

/** Applies `<add>`, `<remove>` and `<clear>` in order. The providers are found by their names in lower case. */
function readProviders(section: Element | undefined, report: Report): ReadonlyMap<string, Element> {
  const providers = new Map<string, Element>();
  for (const element of section?.children
    .filter(({ name }) => name === "providers")
    .flatMap(({ children }) => children) ?? []) {
    const name = attributeOf(element, "name")?.trim() ?? "";
    const key = name.toLowerCase();
    if (element.name === "clear") providers.clear();
    else if (element.name === "remove") providers.delete(key);
    else if (element.name !== "add") {
      report.problem(
        `sessionState/providers/${element.name} is unknown: ${suggestion(element.name, ["add", "remove", "clear"])}`,
      );
    } else if (name === "") report.problem("sessionState/providers/add has no name attribute: expected one.");
    else if (providers.has(key))
      report.problem(`sessionState/providers/add[${name}] is there twice: expected a unique name.`);
    else providers.set(key, element);
  }
  return providers;
}

function readCommandTimeout(attributes: Attributes, mode: string): number | undefined {
  if (mode === "SQLServer" || mode === "Custom") return attributes.number("sqlCommandTimeout", 1);
  attributes.ignore("sqlCommandTimeout", `it has no meaning with mode "${mode}".`);
  return undefined;
}

/** The attributes that concern session ids. */
function readTickets(attributes: Attributes): void {
  const cookieless = attributes.text("cookieless");
  if (cookieless !== undefined && !/^(false|UseCookies)$/i.test(cookieless)) {
    attributes.refuse(
      "cookieless",
      `is ${printable(cookieless)}: a session id in the address appears in histories, logs and links, and gives the session to everyone who sees it. Use UseCookies.`,
    );
  }
  attributes.ignore(
    "regenerateExpiredSessionId",
    "an id that has expired or is unknown is never used again.",
    (value) => value.toLowerCase() !== "true",
  );
  attributes.ignore(
    "sessionIDManagerType",
    "it names a .NET class, which can't run here. Tickets are 144 random bits with a signature.",
  );
}

function readCookie(attributes: Attributes, http: Attributes): NonNullable<ConfiguredOptions["cookie"]> {
  const name = attributes.text("cookieName");
  const sameSites = ["Strict", "Lax", "None", "Unspecified", "-1"] as const;
  const ofSession = attributes.oneOf("cookieSameSite", sameSites);
  const ofCookies = http.oneOf("sameSite", sameSites);
  const requireSSL = http.boolean("requireSSL") ?? false;
  const domain = http.text("domain");
  if (http.boolean("httpOnlyCookies") === false) {
    http.report.warn(
      `${http.at("httpOnlyCookies")} has no effect: the session's cookie is always HttpOnly, as in ASP.NET.`,
    );
  }
  http.finish();

  const [path, sameSite] =
    ofSession === undefined ? [http.at("sameSite"), ofCookies] : [attributes.at("cookieSameSite"), ofSession];
  if (sameSite === "Unspecified" || sameSite === "-1") {
    http.report.warn(
      `${path} has no effect: the cookie is SameSite=Lax, which is what browsers assume for a cookie without SameSite.`,
    );
  }
  if (sameSite === "None" && !requireSSL) {
    http.report.warn(`${path} makes the cookie Secure, since browsers refuse SameSite=None otherwise.`);
  }
  return {
    secure: requireSSL || sameSite === "None" ? true : "auto",
    ...(name !== undefined && { name }),
    ...((sameSite === "Strict" || sameSite === "None") && { sameSite }),
    ...(domain !== undefined && { domain }),
  };
}

/** The app setting `coatcheck:secret`, or the variable SESSION_SECRET, or the key that the servers of an ASP.NET farm share. */
function readSecret(file: WebConfig, settings: Settings, env: Environment, report: Report): string | undefined {
  const configured = settings.appSetting("coatcheck:secret") ?? env.SESSION_SECRET;
  const keys = new Attributes(file.section("system.web", "machineKey"), "machineKey", report, "case-sensitive");
  const key = keys.text("validationKey")?.split(",")[0]?.trim();
  return configured || (/^[\da-f]{40,}$/i.test(key ?? "") ? key : undefined);
}

/** In ASP.NET, a request has exclusive use of its session unless a setting allows concurrent requests. */
function readConcurrency(settings: Settings, report: Report): Pick<ConfiguredOptions, "mode" | "exclusive"> {
  const isConcurrent = /^true$/i.test(settings.appSetting("aspnet:AllowConcurrentRequestsPerSession") ?? "");
  const limit = settings.appSetting("aspnet:RequestQueueLimitPerSession");
  if (limit !== undefined && !/^\d{1,9}$/.test(limit)) {
    report.problem(
      `appSettings/aspnet:RequestQueueLimitPerSession is ${printable(limit)}: expected a number of requests.`,
    );
    return {};
  }
  if (isConcurrent) return {};
  return { mode: "exclusive", ...(limit !== undefined && { exclusive: { maxQueue: Number(limit) } }) };
}

function readPages(file: WebConfig, report: Report): void {
  const section = new Attributes(file.section("system.web", "pages"), "pages", report, "case-sensitive");
  const pages = section.text("enableSessionState");
  if (pages !== undefined && !/^true$/i.test(pages)) {
    report.warn('pages/@enableSessionState has no effect: set the mode "readonly" or "none" of a route in code.');
  }
}

function defined(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
