// App settings and connection strings, from a web.config and from the environment.

import type { Environment } from "../environment.ts";
import type { Report } from "./attributes.ts";

/**
 * App settings and connection strings. The environment overrides the file, as in Azure App Service. Names are not
 * case-sensitive, as in .NET.
 *
 * @see https://learn.microsoft.com/azure/app-service/reference-app-settings
 */
export class Settings {
  readonly #appSettings: ReadonlyMap<string, string>;
  readonly #connectionStrings: ReadonlyMap<string, string>;
  readonly #env: Environment;
  readonly #report: Report;
  readonly #isEncrypted: (section: string) => boolean;
  /** The variables that App Service makes from settings, by name in lower case. */
  readonly #azure = new Map<string, string>();

  constructor(
    appSettings: ReadonlyMap<string, string>,
    connectionStrings: ReadonlyMap<string, string>,
    env: Environment,
    report: Report,
    isEncrypted: (section: string) => boolean,
  ) {
    this.#isEncrypted = isEncrypted;
    this.#appSettings = appSettings;
    this.#connectionStrings = connectionStrings;
    this.#env = env;
    this.#report = report;
    for (const [name, value] of Object.entries(env)) {
      if (value !== undefined && AZURE.test(name)) this.#azure.set(name.toLowerCase(), value);
    }
  }

  /**
   * The value of an app setting: the variable `APPSETTING_<name>`, or else the variable `<name>`, or else the file's value.
   * The variable `<name>` counts only if the file has the setting, too, or if `named` is true: a name that an attribute only
   * happens to have must not read a variable.
   */
  appSetting(name: string, { named = false } = {}): string | undefined {
    const inFile = this.#appSettings.get(name.toLowerCase());
    const value =
      this.#fromAzure("APPSETTING_", name) ??
      (named || inFile !== undefined ? this.#variable(name) : undefined) ??
      inFile;
    return value === undefined ? undefined : this.expand(value, `appSettings/${name}`);
  }

  /** A connection string: a variable such as `SQLAZURECONNSTR_<name>`, or else the file's. */
  connectionString(name: string): string | undefined {
    for (const type of CONNECTION_TYPES) {
      const value = this.#fromAzure(`${type}CONNSTR_`, name);
      if (value !== undefined) return value;
    }
    const inFile = this.#connectionStrings.get(name.toLowerCase());
    return inFile === undefined ? undefined : this.expand(inFile, `connectionStrings/${name}`);
  }

  /** True if the section is there, and only Windows can read it. */
  isEncrypted(section: "appSettings" | "connectionStrings"): boolean {
    return this.#isEncrypted(section);
  }

  /** For a message about a name that was not found. */
  encryptedNote(section: "appSettings" | "connectionStrings"): string {
    return this.isEncrypted(section) ? ", which is encrypted for Windows," : "";
  }

  /** True if the text may be the name of a connection string that is encrypted, and no connection string itself. */
  mayBeEncrypted(text: string): boolean {
    return this.isEncrypted("connectionStrings") && /^[\w .-]+$/.test(text);
  }

  get connectionNames(): string[] {
    return [...this.#connectionStrings.keys()];
  }

  /** The text with variables in place of `[NAME]`, as the whole text, and of `${NAME}`, anywhere in it. */
  expand(text: string, path: string): string {
    const whole = /^\[([A-Za-z_][\w.:-]*)\]$/.exec(text);
    if (whole === null) {
      return text.replace(/\$\{([A-Za-z_][\w.:-]*)\}/g, (part, name: string) => this.#lookUp(name) ?? part);
    }
    const value = this.#lookUp(whole[1]!);
    if (value === undefined) {
      this.#report.warn(`${path} is "${text}", but there is no variable with this name: the text itself is used.`);
    }
    return value ?? text;
  }

  #lookUp(name: string): string | undefined {
    return this.#fromAzure("APPSETTING_", name) ?? this.#variable(name) ?? this.#appSettings.get(name.toLowerCase());
  }

  #variable(name: string): string | undefined {
    return Object.hasOwn(this.#env, name) ? this.#env[name] : undefined;
  }

  /** On Linux, App Service replaces a colon by `__` and a dot by `_`. */
  #fromAzure(prefix: string, name: string): string | undefined {
    const key = `${prefix}${name}`.toLowerCase();
    return this.#azure.get(key) ?? this.#azure.get(key.replaceAll(":", "__").replaceAll(".", "_"));
  }
}

const AZURE = /^APPSETTING_|^[A-Z]+CONNSTR_/i;

const CONNECTION_TYPES = [
  "CUSTOM",
  "SQLAZURE",
  "SQL",
  "REDISCACHE",
  "DOCDB",
  "POSTGRESQL",
  "MYSQL",
  "SERVICEBUS",
  "EVENTHUB",
  "NOTIFICATIONHUB",
  "APIHUB",
];

/** Why a section can't be read, and what to do. `instead`: what gives the values without it. */
export function encryptedSection(section: string, instead: string): string {
  return `<${section}> is encrypted for Windows: set ${instead}, or decrypt the section on that machine with aspnet_regiis -pdf.`;
}
