import type { Environment } from "../environment.ts";
import type { Report } from "./attributes.ts";

/**
 * App settings and connection strings: the file's, over which the environment's go, as Azure App Service does it.
 * Names don't tell upper from lower case, as in .NET.
 *
 * @see https://learn.microsoft.com/azure/app-service/reference-app-settings
 */
export class Settings {
  readonly #appSettings: ReadonlyMap<string, string>;
  readonly #connectionStrings: ReadonlyMap<string, string>;
  readonly #env: Environment;
  readonly #report: Report;
  /** Variables that App Service made of settings, by their name in lower case. */
  readonly #azure = new Map<string, string>();

  constructor(
    appSettings: ReadonlyMap<string, string>,
    connectionStrings: ReadonlyMap<string, string>,
    env: Environment,
    report: Report,
  ) {
    this.#appSettings = appSettings;
    this.#connectionStrings = connectionStrings;
    this.#env = env;
    this.#report = report;
    for (const [name, value] of Object.entries(env)) {
      if (value !== undefined && AZURE.test(name)) this.#azure.set(name.toLowerCase(), value);
    }
  }

  /**
   * The value of an app setting: `APPSETTING_<name>`, else the plain variable if the file has that setting too, or if
   * `named` says that somebody means just this one; else the file's.
   */
  appSetting(name: string, { named = false } = {}): string | undefined {
    const inFile = this.#appSettings.get(name.toLowerCase());
    const value =
      this.#fromAzure("APPSETTING_", name) ??
      (named || inFile !== undefined ? this.#variable(name) : undefined) ??
      inFile;
    return value === undefined ? undefined : this.expand(value, `appSettings/${name}`);
  }

  /** A connection string: `SQLAZURECONNSTR_<name>` and its like, else the file's. */
  connectionString(name: string): string | undefined {
    for (const type of CONNECTION_TYPES) {
      const value = this.#fromAzure(`${type}CONNSTR_`, name);
      if (value !== undefined) return value;
    }
    const inFile = this.#connectionStrings.get(name.toLowerCase());
    return inFile === undefined ? undefined : this.expand(inFile, `connectionStrings/${name}`);
  }

  get connectionNames(): string[] {
    return [...this.#connectionStrings.keys()];
  }

  get appSettingNames(): string[] {
    return [...this.#appSettings.keys()];
  }

  /** The text with the environment's variables for `[NAME]`, as the whole, and `${NAME}`, anywhere. */
  expand(text: string, path: string): string {
    const whole = /^\[([A-Za-z_][\w.:-]*)\]$/.exec(text);
    if (whole === null) {
      return text.replace(/\$\{([A-Za-z_][\w.:-]*)\}/g, (part, name: string) => this.#lookUp(name) ?? part);
    }
    const value = this.#lookUp(whole[1]!);
    if (value === undefined) {
      this.#report.warn(`${path} is "${text}", and there is no variable of that name: it is taken as it stands.`);
    }
    return value ?? text;
  }

  #lookUp(name: string): string | undefined {
    return this.#fromAzure("APPSETTING_", name) ?? this.#variable(name) ?? this.#appSettings.get(name.toLowerCase());
  }

  #variable(name: string): string | undefined {
    return Object.hasOwn(this.#env, name) ? this.#env[name] : undefined;
  }

  /** On Linux, App Service writes `__` for a colon and `_` for a dot. */
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
