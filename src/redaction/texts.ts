// Texts for messages, in which nothing stands that may be a credential.

// A user with a password before a host, a URL, a connection string, or a key in base64 or hexadecimal digits.
const CREDENTIAL =
  /@|:\/\/|\b(pwd|pass\w*|\w*key|sig\w*|\w*secret|\w*token)\s*=|^(?=.*\d)(?=.*[a-z])[a-z0-9+][\w+/-]{23,}=*$/i;

/** Options whose value is a credential, and options whose value may contain one. */
const CREDENTIAL_OPTION = /(key|secret|password|passphrase|token|credential|signature|connectionString|client|pool)$/i;
const ADDRESS_OPTION = /(^|\.)(ur[il]|host|server|endpoint|nodes)$/i;
const ADDRESS_ONLY = /^(localhost|[\w.-]{1,253}:\d{1,5})$/;

/** In a message, in place of what may be a credential. */
export const NOT_SHOWN = "(not shown)";

/** A text for a message, in quotes. A text that looks like a credential is not shown. */
export function printable(text: string): string {
  return CREDENTIAL.test(text) ? NOT_SHOWN : JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

/** The value of an option for a message. It is not shown if the option has credentials. */
export function shownValue(value: unknown, option: string): string {
  if (value === undefined || value === null || value === "") return value === "" ? '""' : String(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object") {
    return Array.isArray(value) ? "an array" : `an object of type ${value.constructor?.name ?? "Object"}`;
  }
  if (CREDENTIAL_OPTION.test(option)) return typeof value === "string" ? NOT_SHOWN : `a ${typeof value}`;
  if (typeof value !== "string") return String(value);
  return ADDRESS_OPTION.test(option) && !ADDRESS_ONLY.test(value) ? NOT_SHOWN : printable(value);
}

// The part of an address before its last @, and a value in a connection string, a query or JSON.
const USER_INFO = /(?<![^\s"'<>()])[^\s"'<>()]+@(?=[\w.[-])/g;
const SECRET_NAME = "\\b(\\w*(?:password|passwd|pwd|passphrase|secret|token|key|signature)|sig)";
const ASSIGNED = new RegExp(`${SECRET_NAME}(\\s*=\\s*)(?:"[^"]*"|'[^']*'|[^\\s;&,"')]+)`, "gi");
const QUOTED = new RegExp(`${SECRET_NAME}(["']?\\s*:\\s*)(?:"[^"]*"|'[^']*')`, "gi");

/** The text with "…" in place of each credential that it quotes. */
export function redacted(text: string): string {
  return text.replace(USER_INFO, hideUser).replace(ASSIGNED, "$1$2…").replace(QUOTED, "$1$2…");
}

function hideUser(text: string): string {
  // A path, as of a package under node_modules/.pnpm.
  if (!/:|\/\//.test(text) || /^(file:|node:|[a-z]:[\\/])/i.test(text)) return text;
  return `${/^[a-z][\w+.-]*:\/\//i.exec(text)?.[0] ?? ""}…@`;
}
