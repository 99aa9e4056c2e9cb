// Finds the sections of a web.config, which may be spread over several files.

import { readFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, resolve } from "node:path";
import { suggestion } from "../../util/option-names.ts";
import type { Environment } from "../environment.ts";
import { ConfigError } from "../errors.ts";
import { Attributes, type Report } from "./attributes.ts";
import { applyConfigBuilders, type ConfigBuilders, readConfigBuilders } from "./config-builders.ts";
import { encryptedSection } from "./settings.ts";
import { applyTransform } from "./transform.ts";
import { attributeOf, type Element, parseXml } from "./xml.ts";

/** The sections of a web.config, and of the files that it includes. */
export interface WebConfig {
  /** A section of this file, of a `<location>` that covers the whole site, or of the file that `configSource` names. */
  section(group: string, name: string): Element | undefined;
  /** The names and values of a list such as `<appSettings>`, with names in lower case. */
  list(name: string, key: string, value: string): ReadonlyMap<string, string>;
  /** True if the section is there, and only Windows can read it. */
  isEncrypted(name: string): boolean;
}

/** Sections whose values the environment may give instead. */
const REPLACEABLE: ReadonlySet<string> = new Set(["appSettings", "connectionStrings", "machineKey"]);

const NEEDED: [group: string, names: string[]][] = [
  ["system.web", ["sessionState", "httpCookies", "machineKey", "pages"]],
  ["", ["appSettings", "connectionStrings"]],
];

/**
 * @param transforms the files of transformations, in the order in which they are applied.
 * @throws ConfigError if a file can't be read, or is not a configuration file.
 */
export async function readSections(
  path: string,
  transforms: readonly string[],
  env: Environment,
  report: Report,
): Promise<WebConfig> {
  const source = basename(path);
  const root = await parseFile(path, source, source);
  if (root.name !== "configuration") {
    throw new ConfigError(source, `its root is <${root.name}>: expected <configuration>.`);
  }
  for (const transform of transforms) {
    const name = basename(transform);
    applyTransform(root, await parseFile(transform, "transform", name), name, report);
  }
  checkSpelling(root, report);
  const builders = readConfigBuilders(root);
  const bases = [root, ...siteWideLocations(root, report)];
  const found = new Map<string, Element>();
  /** The lists of the files that `<appSettings file="…">` names. */
  const overrides = new Map<string, Element>();
  const encrypted = new Set<string>();
  for (const [group, names] of NEEDED) {
    const parents = group === "" ? bases : bases.flatMap((base) => base.children.filter(({ name }) => name === group));
    for (const name of names) {
      const [first, ...more] = parents.flatMap(({ children }) => children.filter((child) => child.name === name));
      if (first === undefined) continue;
      if (more.length > 0) report.problem(`${name} is there more than once: expected it once.`);
      const element = await resolveConfigSource(first, path, source);
      if (isProtected(element)) {
        encrypted.add(name);
        if (!REPLACEABLE.has(name))
          report.problem(encryptedSection(name, "what it says in a file of its own, by configSource"));
        continue;
      }
      found.set(`${group}/${name}`, element);
      const file = name === "appSettings" ? attributeOf(element, "file") : undefined;
      const override = file && (await settingsFile(file, path, source, report));
      if (override) overrides.set(name, override);
    }
  }

  return {
    section: (group, name) => found.get(`${group}/${name}`),
    list(name, key, value) {
      const pairs = new Map<string, string>();
      for (const element of [found.get(`/${name}`), overrides.get(name)])
        readList(element, name, key, value, pairs, { builders, env, report });
      return pairs;
    },
    isEncrypted: (name) => encrypted.has(name),
  };
}

/** In ASP.NET, the names of sections are case-sensitive. One in another case would leave everything at its default. */
function checkSpelling({ children }: Element, report: Report): void {
  const check = (name: string, known: readonly string[]) => {
    const right = known.find((one) => one !== name && one.toLowerCase() === name.toLowerCase());
    if (right !== undefined) report.problem(`<${name}> is unknown: names are case-sensitive, so write <${right}>.`);
  };
  for (const child of children) {
    check(child.name, ["location", ...NEEDED.flatMap(([group, names]) => (group === "" ? names : [group]))]);
    if (child.name === "location") checkSpelling(child, report);
    for (const [group, names] of NEEDED) {
      if (group === child.name) for (const { name } of child.children) check(name, names);
    }
  }
}

/** The `<location>` elements that cover the whole site: those without a path, or with the path ".". */
function siteWideLocations(root: Element, report: Report): Element[] {
  return root.children
    .filter(({ name }) => name === "location")
    .filter((location) => {
      const path = attributeOf(location, "path")?.trim() ?? "";
      if (path === "" || path === ".") return true;
      const names = location.children.filter(({ name }) => name === "system.web").flatMap(({ children }) => children);
      if (names.some(({ name }) => name === "sessionState" || name === "httpCookies" || name === "pages")) {
        report.warn(
          `location[${path}] has no effect: session settings hold for the whole site. Set the mode of its routes in code.`,
        );
      }
      return false;
    });
}

/** The section, or the one in the file that its `configSource` names. */
async function resolveConfigSource(section: Element, path: string, source: string): Promise<Element> {
  const name = attributeOf(section, "configSource");
  if (name === undefined) return section;
  const folder = dirname(resolve(path));
  const target = resolve(folder, name.replaceAll("\\", "/"));
  // The rule of ASP.NET: in the folder of web.config, or below it.
  if (isAbsolute(name) || /^[a-z]:/i.test(name) || !target.startsWith(`${folder}/`.replace("//", "/"))) {
    throw new ConfigError(
      source,
      `${section.name}/@configSource is "${name}": expected a file in the same folder, or below it.`,
    );
  }
  if (section.children.length > 0 || section.attributes.size > 1) {
    throw new ConfigError(
      source,
      `${section.name} has a configSource, and also attributes or elements: expected only the configSource.`,
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

/** The file that `<appSettings file="…">` names. It may be in any folder, and may be missing. */
async function settingsFile(name: string, path: string, source: string, report: Report): Promise<Element | undefined> {
  const target = resolve(dirname(path), name.replaceAll("\\", "/"));
  try {
    const element = await parseFile(target, "appSettings/@file", source);
    if (element.name === "appSettings") return element;
    report.problem(`appSettings/@file: the root of ${name} is <${element.name}>: expected <appSettings>.`);
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code !== "ENOENT") throw error;
    report.warn(`appSettings/@file has no effect: there is no file ${name}.`);
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

function isProtected(section: Element): boolean {
  if (attributeOf(section, "configProtectionProvider") !== undefined) return true;
  return section.children.some(({ name }) => name === "EncryptedData");
}

function readList(
  section: Element | undefined,
  name: string,
  key: string,
  value: string,
  pairs: Map<string, string>,
  { builders, env, report }: { builders: ConfigBuilders; env: Environment; report: Report },
): void {
  if (section === undefined) return;
  const attributes = new Attributes(section, name, report, "case-sensitive");
  for (const known of ["file", "configSource"]) attributes.text(known);
  const builderNames = attributes.text("configBuilders");
  attributes.finish();
  for (const child of section.children) {
    const pair = new Attributes(child, `${name}/${child.name}`, report, "case-sensitive");
    const pairName = pair.text(key)?.toLowerCase();
    if (child.name === "clear") pairs.clear();
    else if (!["add", "remove"].includes(child.name)) {
      report.problem(`${name}/${child.name} is unknown: ${suggestion(child.name, ["add", "remove", "clear"])}`);
    } else if (pairName === undefined) report.problem(`${name}/${child.name} has no ${key} attribute: expected one.`);
    else if (child.name === "remove") pairs.delete(pairName);
    else pairs.set(pairName, pair.text(value) ?? "");
  }
  if (builderNames !== undefined) applyConfigBuilders(name, builderNames, builders, pairs, env, report);
}
