import { readFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, resolve } from "node:path";
import { ConfigError, suggestion } from "../errors.ts";
import { Attributes, type Report } from "./attributes.ts";
import { type Element, parseXml } from "./xml.ts";

/** A web.config, with the files that it is spread over. */
export interface WebConfig {
  /** The section, whether it stands in this file, in a `<location>` that means all of the site, or in a file of its own. */
  section(group: string, name: string): Element | undefined;
  /** Pairs of a list such as `<appSettings>`, by their names in lower case. */
  list(name: string, key: string, value: string): ReadonlyMap<string, string>;
}

const NEEDED: [group: string, names: string[]][] = [
  ["system.web", ["sessionState", "httpCookies", "machineKey", "pages"]],
  ["", ["appSettings", "connectionStrings"]],
];

/** @throws ConfigError if a file can't be read, or is no such file. */
export async function readSections(path: string, report: Report): Promise<WebConfig> {
  const source = basename(path);
  const root = await parseFile(path, source, source);
  if (root.name !== "configuration") {
    throw new ConfigError(source, `its root is <${root.name}>: expected <configuration>.`);
  }
  const bases = [root, ...wholeSite(root, report)];
  const found = new Map<string, Element>();
  /** What `<appSettings file="…">` adds. */
  const overrides = new Map<string, Element>();
  for (const [group, names] of NEEDED) {
    const parents = group === "" ? bases : bases.flatMap((base) => base.children.filter(({ name }) => name === group));
    for (const name of names) {
      const [first, ...more] = parents.flatMap(({ children }) => children.filter((child) => child.name === name));
      if (first === undefined) continue;
      if (more.length > 0) report.problem(`${name} is there twice: expected it once.`);
      const element = await ownFile(first, path, source);
      checkProtection(element, report);
      found.set(`${group}/${name}`, element);
      const file = name === "appSettings" ? element.attributes.get("file") : undefined;
      const override = file && (await settingsFile(file, path, source, report));
      if (override) overrides.set(name, override);
    }
  }

  return {
    section: (group, name) => found.get(`${group}/${name}`),
    list(name, key, value) {
      const pairs = new Map<string, string>();
      for (const element of [found.get(`/${name}`), overrides.get(name)])
        readList(element, name, key, value, pairs, report);
      return pairs;
    },
  };
}

/** `<location>` without a path, or with ".", means the whole site; others mean a part of it. */
function wholeSite(root: Element, report: Report): Element[] {
  return root.children
    .filter(({ name }) => name === "location")
    .filter((location) => {
      const path = location.attributes.get("path")?.trim() ?? "";
      if (path === "" || path === ".") return true;
      const names = location.children.filter(({ name }) => name === "system.web").flatMap(({ children }) => children);
      if (names.some(({ name }) => name === "sessionState" || name === "httpCookies" || name === "pages")) {
        report.warn(
          `location[${path}] has no effect: sessions are the same for the whole site. Give its routes a mode in code.`,
        );
      }
      return false;
    });
}

/** The section, from the file that `configSource` names if it does. */
async function ownFile(section: Element, path: string, source: string): Promise<Element> {
  const name = section.attributes.get("configSource");
  if (name === undefined) return section;
  const folder = dirname(resolve(path));
  const target = resolve(folder, name.replaceAll("\\", "/"));
  // ASP.NET's own rule: beside web.config, or below.
  if (isAbsolute(name) || /^[a-z]:/i.test(name) || !target.startsWith(`${folder}/`.replace("//", "/"))) {
    throw new ConfigError(
      source,
      `${section.name}/@configSource is "${name}": expected a file beside this one, or below.`,
    );
  }
  if (section.children.length > 0 || section.attributes.size > 1) {
    throw new ConfigError(
      source,
      `${section.name} has a configSource, so all of it must be there: expected nothing else here.`,
    );
  }
  const element = await parseFile(target, `${section.name}/@configSource`, source);
  if (element.name !== section.name) {
    throw new ConfigError(
      source,
      `${section.name}/@configSource: the root of ${name} is <${element.name}>: expected <${section.name}>.`,
    );
  }
  return element;
}

/** The file over `<appSettings>`, which may be anywhere, and need not be there. */
async function settingsFile(name: string, path: string, source: string, report: Report): Promise<Element | undefined> {
  const target = resolve(dirname(path), name.replaceAll("\\", "/"));
  try {
    const element = await parseFile(target, "appSettings/@file", source);
    if (element.name === "appSettings") return element;
    report.problem(`appSettings/@file: the root of ${name} is <${element.name}>: expected <appSettings>.`);
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") throw error;
    report.warn(`appSettings/@file has no effect: there is no ${name}.`);
  }
  return undefined;
}

async function parseFile(path: string, what: string, source: string): Promise<Element> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ConfigError(source, `${what}: ${path} can't be read: ${(cause as Error).message}.`, cause);
  }
  return parseXml(bytes, basename(path));
}

function checkProtection(section: Element, report: Report): void {
  const isEncrypted = section.children.some(({ name }) => name === "EncryptedData");
  if (!isEncrypted && !section.attributes.has("configProtectionProvider")) return;
  report.problem(
    `${section.name} is encrypted for Windows (configProtectionProvider): decrypt it there with aspnet_regiis -pdf, or give its values by the environment.`,
  );
}

function readList(
  section: Element | undefined,
  name: string,
  key: string,
  value: string,
  pairs: Map<string, string>,
  report: Report,
): void {
  if (section === undefined) return;
  const attributes = new Attributes(section, name, report);
  for (const known of ["file", "configSource", "configProtectionProvider"]) attributes.text(known);
  attributes.ignore("configBuilders", "they are .NET classes. The environment is looked at in any case.");
  attributes.finish();
  for (const child of section.children) {
    const of = child.attributes.get(key)?.toLowerCase();
    if (child.name === "clear") pairs.clear();
    else if (child.name === "EncryptedData") continue;
    else if (!["add", "remove"].includes(child.name)) {
      report.problem(`${name}/${child.name} is unknown: ${suggestion(child.name, ["add", "remove", "clear"])}`);
    } else if (of === undefined) report.problem(`${name}/${child.name} has no ${key}: expected one.`);
    else if (child.name === "remove") pairs.delete(of);
    else pairs.set(of, child.attributes.get(value) ?? "");
  }
}
