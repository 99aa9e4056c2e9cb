import { OptionError } from "../../errors.ts";

/** Where the sessions are. The same for every SQL store, and for its `schema()`. */
export interface TableOptions {
  /** The table's name; any characters, quoted for you. Default: `coatcheck_sessions`. */
  table?: string;
  /** The schema (in MySQL: the database) that holds the table. Default: the one that the connection is in. */
  schema?: string;
}

/** How a database writes a name: its quotation mark, and the most characters or bytes that it allows. */
export interface Quoting {
  quote: '"' | "`" | "[";
  longest: number;
  /** What the limit counts. Default: characters. */
  unit?: "bytes";
}

/** The table's name, quoted, behind its schema's if there is one; and names for what belongs to the table. */
export interface Names {
  /** For statements: `"shop"."sessions"`. */
  table: string;
  /** For messages: `shop.sessions`. */
  plain: string;
  /** The quoted name of an index, made of the table's. */
  index(suffix: string): string;
}

/** @throws OptionError if a name is empty, too long, or has a character that no database allows. */
export function tableNames(options: TableOptions, quoting: Quoting): Names {
  const { table = "coatcheck_sessions", schema } = options;
  // The longest name of an index must fit, too.
  const quoted = quoteName("table", table, quoting, "_expires_at".length);
  const { quote } = quoting;
  return {
    table: schema === undefined ? quoted : `${quoteName("schema", schema, quoting)}.${quoted}`,
    plain: schema === undefined ? table : `${schema}.${table}`,
    index: (suffix) => enclose(`${table}_${suffix}`, quote),
  };
}

function quoteName(option: string, name: unknown, { quote, longest, unit }: Quoting, reserve = 0): string {
  if (typeof name !== "string" || name === "") throw new OptionError(option, name, "give a name.");
  const length = unit === "bytes" ? Buffer.byteLength(name) : name.length;
  if (length > longest - reserve) {
    throw new OptionError(option, name, `give a name of at most ${longest - reserve} ${unit ?? "characters"}.`);
  }
  // What not every database can have in a name, and some change in silence.
  if (/\0|\s$|[\ud800-\udfff]/.test(name)) {
    throw new OptionError(option, name, "leave out NUL, a space at the end and characters beyond U+FFFF.");
  }
  return enclose(name, quote);
}

function enclose(name: string, quote: Quoting["quote"]): string {
  const end = quote === "[" ? "]" : quote;
  return quote + name.replaceAll(end, end + end) + end;
}
