// Reads the address of a server: a URL, or host:port.

import { Description, OptionError } from "../../errors.ts";

export type Address = { host: string; port: number } | { path: string };

export interface Credentials {
  username?: string;
  password?: string;
}

/** What a text says. What it does not say is undefined. */
export interface ParsedAddress {
  address: Address;
  credentials: Credentials;
  tls: boolean | undefined;
  database: number | undefined;
}

/** Whether a protocol means TLS. */
const PROTOCOLS: Readonly<Record<string, boolean>> = {
  redis: false,
  rediss: true,
  valkey: false,
  valkeys: true,
  unix: false,
};

const FORM = "give redis://host:port, rediss://host:port for TLS, or unix:///path";
const ALTERNATIVE = "or give host, user and accessKey instead";

/** What the query of a URL may say. */
const PARAMETERS: Readonly<Record<string, "database" | "tls" | "username" | "password">> = {
  db: "database",
  database: "database",
  tls: "tls",
  ssl: "tls",
  user: "username",
  username: "username",
  password: "password",
};

/** A part of the text is wrong. The message does not quote the text, since it may contain a password. */
class Refusal extends Error {}

/**
 * Reads `redis://[[user]:password@]host[:port][/database][?parameters]`, the same with rediss:// or unix://, or `host:port`.
 * Whatever it says is used or refused, and nothing is ignored. A password may contain any character as it is.
 *
 * @throws OptionError
 */
export function parseAddress(option: string, text: string, defaultPort = 6379): ParsedAddress {
  if (typeof text !== "string") throw new OptionError(option, text, `${FORM}.`);
  try {
    return parse(text, defaultPort);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new OptionError(option, new Description("(not shown)"), `${error.message}.`);
  }
}

export function credentialsOf(username: string | undefined, password: string | undefined): Credentials {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

function parse(text: string, defaultPort: number): ParsedAddress {
  const [, protocol, rest] = /^(?:([a-z][\w+.-]*):\/\/)?(.*)$/is.exec(text)!;
  if (protocol === undefined) {
    // Without a protocol it is an address of a list, and none of these characters is in it.
    if (/[@/?#]/.test(text)) throw new Refusal(FORM);
    return { address: hostAndPort(text, defaultPort), credentials: {}, tls: undefined, database: undefined };
  }
  const isSocket = protocol.toLowerCase() === "unix";
  const usesTls = PROTOCOLS[protocol.toLowerCase()];
  if (usesTls === undefined) throw new Refusal(`its protocol is unknown: ${FORM}`);
  const { userInfo, location } = split(rest!, isSocket);
  const read = readLocation(location, isSocket, defaultPort);
  if (read.credentials !== undefined && userInfo !== undefined) {
    throw new Refusal("it has credentials before the host and in the query: give them once");
  }
  if (usesTls && read.tls === false) throw new Refusal("it asks for TLS by rediss:// and for none by tls=false");
  return {
    address: read.address,
    credentials: read.credentials ?? (userInfo === undefined ? {} : readUserInfo(userInfo)),
    tls: usesTls || read.tls === true,
    database: read.database,
  };
}

/**
 * A URL ends its user and password at the last @ before the first / ? or #. With a password that contains these characters
 * as they are, they end at the last @ of all.
 */
function split(text: string, isSocket: boolean): { userInfo: string | undefined; location: string } {
  if (isSocket && text.startsWith("/")) return { userInfo: undefined, location: text };
  const begin = isSocket ? text.indexOf("@/") : text.search(/[/?#]/);
  const strict = isSocket ? begin : text.slice(0, begin === -1 ? undefined : begin).lastIndexOf("@");
  const loose = text.lastIndexOf(isSocket ? "@/" : "@");
  const at = (index: number) => ({
    userInfo: index === -1 ? undefined : text.slice(0, index),
    location: text.slice(index + 1),
  });
  if (strict === loose) return at(strict);
  if (!isLocation(at(strict).location, isSocket)) return at(loose);
  if (!isLocation(at(loose).location, isSocket)) return at(strict);
  throw new Refusal(`it is not clear which @ stands before the host: write each other one as %40, ${ALTERNATIVE}`);
}

function isLocation(text: string, isSocket: boolean): boolean {
  try {
    readLocation(text, isSocket, 1);
    return true;
  } catch {
    return false;
  }
}

function readLocation(text: string, isSocket: boolean, defaultPort: number) {
  const [, place, query] = /^([^?]*)(?:\?(.*))?$/s.exec(text)!;
  if (text.includes("#")) throw new Refusal(`it has a # after the host: ${FORM}`);
  const slash = place!.indexOf("/");
  const path = slash === -1 || isSocket ? "" : place!.slice(slash + 1);
  if (isSocket && !/^\/./.test(place!)) throw new Refusal("it names no socket: give unix:///path");
  if (!/^\d*$/.test(path)) throw new Refusal("the path after the host is no database: give a number from 0");
  const address = isSocket
    ? { path: decode(place!, "path") }
    : hostAndPort(slash === -1 ? place! : place!.slice(0, slash), defaultPort);
  const said = readQuery(query ?? "");
  const inPath = path === "" ? undefined : Number(path);
  if (inPath !== undefined && said.database !== undefined) throw new Refusal("it names the database twice");
  return { address, ...said, database: said.database ?? inPath };
}

function readQuery(query: string) {
  const said = new Map<"database" | "tls" | "username" | "password", string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const known = PARAMETERS[name.toLowerCase()];
    if (known === undefined) {
      const which = /^[\w.-]{1,30}$/.test(name) ? `the parameter "${name}"` : "a parameter";
      throw new Refusal(`it has ${which}, which is unknown: leave it out (known are db, tls, user and password)`);
    }
    if (said.has(known)) throw new Refusal(`it has the parameter "${name}" twice`);
    said.set(known, value);
  }
  const database = said.get("database");
  if (database !== undefined && !/^\d+$/.test(database)) throw new Refusal("its database is no number from 0");
  const tls = said.get("tls");
  const yes = tls !== undefined && /^(true|1|yes|on|)$/i.test(tls);
  if (tls !== undefined && !yes && !/^(false|0|no|off)$/i.test(tls))
    throw new Refusal("its tls is neither true nor false");
  const [username, password] = [said.get("username"), said.get("password")];
  if (username !== undefined && !password) throw new Refusal("it has a user without a password");
  return {
    database: database === undefined ? undefined : Number(database),
    tls: tls === undefined ? undefined : yes,
    credentials: password ? credentialsOf(username || undefined, password) : undefined,
  };
}

function hostAndPort(text: string, defaultPort: number): Address {
  const [, bracketed, plain, port] = /^(?:\[([\da-f:.]+)\]|([^\s:@?#[\]/,;=]+))(?::(\d+))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw new Refusal(`its host or its port is wrong: ${FORM}`);
  const number = port === undefined ? defaultPort : Number(port);
  if (!(number > 0 && number < 65_536)) throw new Refusal("its port is no number from 1 to 65535");
  return { host: decode(host, "host"), port: number };
}

function readUserInfo(text: string): Credentials {
  const colon = text.indexOf(":");
  const user = decode(colon === -1 ? text : text.slice(0, colon), "user");
  const password = colon === -1 ? "" : decode(text.slice(colon + 1), "password");
  if (password === "" && user !== "") {
    throw new Refusal("it has a user without a password: write user:password@, or :password@ where there is no user");
  }
  return credentialsOf(user || undefined, password || undefined);
}

/** A part of the text is percent-encoded as a whole, or as it is. */
function decode(part: string, name: string): string {
  if (!/%[\da-f]{2}/i.test(part)) return part;
  const isMixed = /%(?![\da-f]{2})|[\s/?#@[\]<>"\\^`{|}]/i.test(name === "path" ? part.replaceAll("/", "") : part);
  if (!isMixed) {
    try {
      return decodeURIComponent(part);
    } catch {
      // No UTF-8: the % stands for itself, or the encoding is another one.
    }
  }
  throw new Refusal(
    `its ${name} has percent signs of which it is not clear what they mean: percent-encode all of it, ${ALTERNATIVE}`,
  );
}
