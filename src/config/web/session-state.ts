import type { Configuration, ConfiguredOptions } from "../build.ts";
import type { Environment } from "../environment.ts";
import { suggestion } from "../errors.ts";
import { Attributes, type Report } from "./attributes.ts";
import { type Chosen, readProvider, type Surroundings } from "./providers.ts";
import type { WebConfig } from "./sections.ts";
import type { Settings } from "./settings.ts";
import { sqlServerMode } from "./sql.ts";
import type { Element } from "./xml.ts";

const MODES = ["Off", "InProc", "StateServer", "SQLServer", "Custom"] as const;
const MINUTE = 60_000;
const THIRTY_DAYS = 30 * 24 * 60 * MINUTE;
const A_YEAR = 525_600;

/**
 * What `<sessionState>` and its surroundings come to.
 * @see https://learn.microsoft.com/previous-versions/dotnet/netframework-4.0/h6bb9cz9(v=vs.100)
 */
export async function readSessionState(file: WebConfig, settings: Settings, env: Environment, report: Report) {
  const section = file.section("system.web", "sessionState");
  const attributes = new Attributes(section, "sessionState", report);
  const mode = attributes.oneOf("mode", MODES) ?? "InProc";
  const timeout = (attributes.number("timeout", 1, A_YEAR) ?? 20) * MINUTE;
  const compress = attributes.boolean("compressionEnabled") ?? false;
  const cookie = readCookie(
    attributes,
    new Attributes(file.section("system.web", "httpCookies"), "httpCookies", report),
  );
  readTickets(attributes);
  const chosen = await readMode(mode, section, attributes, {
    settings,
    commandTimeout: readCommandTimeout(attributes, mode),
  });
  attributes.finish();
  readOthers(file, report);

  const secret = readSecret(file, settings, env, report);
  const sessions: ConfiguredOptions = {
    idleTimeout: timeout,
    // ASP.NET has no such limit; it must not cut in before the timeout does.
    ...(timeout > THIRTY_DAYS && { absoluteTimeout: timeout }),
    cookie,
    ...readConcurrency(settings, report),
    ...(compress && { compress }),
    ...(secret !== undefined && { secret }),
    ...chosen?.sessions,
  };
  const store = chosen && { type: chosen.type, options: defined(chosen.options), path: "sessionState" };
  return { sessions, ...(store && { store }) } satisfies Omit<Configuration, "warnings">;
}

async function readMode(
  mode: (typeof MODES)[number],
  section: Element | undefined,
  attributes: Attributes,
  surroundings: Surroundings,
): Promise<Chosen | undefined> {
  const unused = `it has no meaning with mode "${mode}".`;
  const stateServer = "there is no state server here.";
  for (const name of ["stateConnectionString", "stateNetworkTimeout"]) {
    attributes.ignore(name, mode === "StateServer" ? stateServer : unused);
  }
  attributes.ignore("useHostingIdentity", "connections log in with what their connection string says.");
  attributes.ignore("sqlConnectionRetryInterval", "what can be repeated without harm is, within the time for a call.");
  if (mode === "SQLServer") {
    if (attributes.text("partitionResolverType") !== undefined) {
      attributes.refuse(
        "partitionResolverType",
        "names a .NET class, which can't run here, and without it sessions would be in the wrong place: in code, use partitioned() of coatcheck/compose.",
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
      return sqlServerMode(attributes, surroundings);
    case "StateServer":
      attributes.refuse(
        "mode",
        'is "StateServer", a Windows service that there is no client for: take Redis instead (mode="Custom" with Microsoft.Web.Redis.RedisSessionStateProvider), or for one machine the store "file" in a session.json.',
      );
      return undefined;
    case "Custom":
      return readCustom(section, attributes, surroundings);
  }
}

async function readCustom(section: Element | undefined, attributes: Attributes, surroundings: Surroundings) {
  const providers = readProviders(section, attributes.report);
  const names = [...providers.keys()];
  const name = attributes.text("customProvider");
  if (name === undefined) {
    attributes.refuse(
      "customProvider",
      `is missing: mode "Custom" needs the name of one of the providers: ${names.join(", ")}.`,
    );
    return undefined;
  }
  const provider = providers.get(name);
  if (provider === undefined) {
    attributes.refuse("customProvider", `is "${name}", which is none of the providers: ${suggestion(name, names)}`);
    return undefined;
  }
  const path = `sessionState/providers/add[${name}]`;
  return readProvider(new Attributes(provider, path, attributes.report), surroundings);
}

/** `<add>`, `<remove>` and `<clear>`, in their order. */
function readProviders(section: Element | undefined, report: Report): ReadonlyMap<string, Element> {
  const providers = new Map<string, Element>();
  for (const element of section?.children
    .filter(({ name }) => name === "providers")
    .flatMap(({ children }) => children) ?? []) {
    const name = element.attributes.get("name")?.trim() ?? "";
    if (element.name === "clear") providers.clear();
    else if (element.name === "remove") providers.delete(name);
    else if (element.name !== "add") {
      report.problem(
        `sessionState/providers/${element.name} is unknown: ${suggestion(element.name, ["add", "remove", "clear"])}`,
      );
    } else if (name === "") report.problem("sessionState/providers/add has no name: expected one.");
    else if (providers.has(name))
      report.problem(`sessionState/providers/add[${name}] is there twice: expected a name of its own.`);
    else providers.set(name, element);
  }
  return providers;
}

function readCommandTimeout(attributes: Attributes, mode: string): number | undefined {
  if (mode === "SQLServer" || mode === "Custom") return attributes.number("sqlCommandTimeout", 1);
  attributes.ignore("sqlCommandTimeout", `it has no meaning with mode "${mode}".`);
  return undefined;
}

/** What ASP.NET does with session ids. */
function readTickets(attributes: Attributes): void {
  const cookieless = attributes.text("cookieless");
  if (cookieless !== undefined && !/^(false|UseCookies)$/i.test(cookieless)) {
    attributes.refuse(
      "cookieless",
      `is "${cookieless}": an id in the address shows in histories, logs and links to other sites, and whoever sees it has the session. Use UseCookies.`,
    );
  }
  attributes.ignore(
    "regenerateExpiredSessionId",
    "an id that has expired or is unknown is never taken up again.",
    (value) => value.toLowerCase() !== "true",
  );
  attributes.ignore(
    "sessionIDManagerType",
    "it names a .NET class, which can't run here. Tickets are 144 random bits, with a signature.",
  );
}

function readCookie(attributes: Attributes, http: Attributes): NonNullable<ConfiguredOptions["cookie"]> {
  const name = attributes.text("cookieName");
  const sameSites = ["Strict", "Lax", "None", "Unspecified", "-1"] as const;
  const own = attributes.oneOf("cookieSameSite", sameSites);
  const general = http.oneOf("sameSite", sameSites);
  const requireSSL = http.boolean("requireSSL") ?? false;
  const domain = http.text("domain");
  if (http.boolean("httpOnlyCookies") === false) {
    http.report.warn(
      `${http.at("httpOnlyCookies")} has no effect: scripts never see the session's cookie, as in ASP.NET.`,
    );
  }
  http.finish();

  const [place, sameSite] = own === undefined ? [http.at("sameSite"), general] : [attributes.at("cookieSameSite"), own];
  if (sameSite === "Unspecified" || sameSite === "-1") {
    http.report.warn(`${place} has no effect: browsers take a cookie without SameSite as Lax, and it is Lax here.`);
  }
  if (sameSite === "None" && !requireSSL) {
    http.report.warn(`${place} makes the cookie Secure: browsers refuse SameSite=None otherwise.`);
  }
  return {
    secure: requireSSL || sameSite === "None" ? true : "auto",
    ...(name !== undefined && { name }),
    ...((sameSite === "Strict" || sameSite === "None") && { sameSite }),
    ...(domain !== undefined && { domain }),
  };
}

/** The app setting `coatcheck:secret`, the variable SESSION_SECRET, or the key that the servers of an ASP.NET farm share. */
function readSecret(file: WebConfig, settings: Settings, env: Environment, report: Report): string | undefined {
  const own = settings.appSetting("coatcheck:secret") ?? env.SESSION_SECRET;
  const keys = new Attributes(file.section("system.web", "machineKey"), "machineKey", report);
  const key = keys.text("validationKey")?.split(",")[0]?.trim();
  return own || (/^[\da-f]{40,}$/i.test(key ?? "") ? key : undefined);
}

/** In ASP.NET a request has its session to itself, unless it is told otherwise. */
function readConcurrency(settings: Settings, report: Report): Pick<ConfiguredOptions, "mode" | "exclusive"> {
  const isConcurrent = /^true$/i.test(settings.appSetting("aspnet:AllowConcurrentRequestsPerSession") ?? "");
  const limit = settings.appSetting("aspnet:RequestQueueLimitPerSession");
  if (limit !== undefined && !/^\d{1,9}$/.test(limit)) {
    report.problem(`appSettings/aspnet:RequestQueueLimitPerSession is "${limit}": expected a number of requests.`);
    return {};
  }
  if (isConcurrent) return {};
  return { mode: "exclusive", ...(limit !== undefined && { exclusive: { maxQueue: Number(limit) } }) };
}

function readOthers(file: WebConfig, report: Report): void {
  const pages = file.section("system.web", "pages")?.attributes.get("enableSessionState");
  if (pages !== undefined && !/^true$/i.test(pages)) {
    report.warn('pages/@enableSessionState has no effect: give a route the mode "readonly" or "none".');
  }
}

function defined(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
