// The names of the sessions' table and of what belongs to it.

import { OptionError } from "../../../errors.ts";

/** Which table holds the sessions. The same options for every SQL store and its `schema()`. */
export interface TableOptions {
  /** The table's name. It is quoted, so it may have any characters. Default: `"coatcheck_sessions"`. */
  table?: string;
  /** The schema (in MySQL: the database) that holds the table. Default: the connection's own. */
  schema?: string;
}

/** How a database quotes a name, and the longest name that it allows. */
export interface Quoting {
  quote: '"' | "`" | "[";
  maxLength: number;
  /** What `maxLength` counts. Default: characters. */
  unit?: "bytes";
}

export interface TableNames {
  /** The quoted name of the table, with its schema if there is one: `"shop"."sessions"`. */
  table: string;
  /** The same without quotes, for messages: `shop.sessions`. */
  label: string;
  /** The quoted name of an index on the table. */
  index(suffix: string): string;
}

/**
 * The names that the options ask for, quoted.
 *
 * @throws OptionError if a name is empty, too long, or has a character that not every database allows.
 */
export function tableNames(options: TableOptions, quoting: Quoting): TableNames {
  const { table = "coatcheck_sessions", schema } = options;
  // The longest name of an index must fit, too.
  const quoted = quoteName("table", table, quoting, "_expires_at".length);
  const { quote } = quoting;
  return {
    table: schema === undefined ? quoted : `${quoteName("schema", schema, quoting)}.${quoted}`,
    label: schema === undefined ? table : `${schema}.${table}`,
    index: (suffix) => enclose(`${table}_${suffix}`, quote),
  };
}

/** `reserved`: how much shorter than the longest name it has to be. */
function quoteName(option: string, name: unknown, { quote, maxLength, unit }: Quoting, reserved = 0): string {
  if (typeof name !== "string" || name === "") throw new OptionError(option, name, "give a name.");
  const length = unit === "bytes" ? Buffer.byteLength(name) : name.length;
  if (length > maxLength - reserved) {
    throw new OptionError(option, name, `give a name of at most ${maxLength - reserved} ${unit ?? "characters"}.`);
  }
  // Some databases refuse these characters, and some change them silently.
  if (/\0|\s$|[\ud800-\udfff]/.test(name)) {
    throw new OptionError(option, name, "leave out NUL, a space at the end and characters beyond U+FFFF.");
  }
  return enclose(name, quote);
}

function enclose(name: string, quote: Quoting["quote"]): string {
  const end = quote === "[" ? "]" : quote;
  return quote + name.replaceAll(end, end + end) + end;
}
