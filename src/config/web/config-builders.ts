// The builders of a web.config, which fill in app settings and connection strings: those of the environment.

import { suggestion } from "../../util/option-names.ts";
import type { Environment } from "../environment.ts";
import type { Report } from "./attributes.ts";
import { attributeOf, type Element } from "./xml.ts";

/** Builders by their names in lower case, from `<configBuilders><builders>`. */
export type ConfigBuilders = ReadonlyMap<string, Element>;

export function readConfigBuilders(root: Element): ConfigBuilders {
  const builders = root.children
    .filter(({ name }) => name === "configBuilders")
    .flatMap(({ children }) => children.filter(({ name }) => name === "builders"))
    .flatMap(({ children }) => children.filter(({ name }) => name === "add"));
  return new Map(builders.map((builder) => [attributeOf(builder, "name")?.toLowerCase() ?? "", builder]));
}

/**
 * Lets the builders that a section names fill in its values, in their order.
 *
 * @param pairs the values, by names in lower case.
 * @see https://github.com/aspnet/MicrosoftConfigurationBuilders/blob/main/docs/KeyValueConfigBuilders.md
 */
export function applyConfigBuilders(
  section: string,
  names: string,
  builders: ConfigBuilders,
  pairs: Map<string, string>,
  env: Environment,
  report: Report,
): void {
  for (const name of names.split(",").map((part) => part.trim())) {
    const builder = builders.get(name.toLowerCase());
    if (builder === undefined) {
      report.problem(`${section}/@configBuilders is "${name}": ${suggestion(name, [...builders.keys()])}`);
      continue;
    }
    const type = attributeOf(builder, "type")?.split(",")[0]?.split(".").at(-1) ?? "a builder without a type";
    if (/^(disabled|false)$/i.test(attributeOf(builder, "enabled") ?? "")) continue;
    if (type !== "EnvironmentConfigBuilder") {
      report.warn(
        `${section}/@configBuilders has no effect for "${name}": ${type} can't run here. Give what it would give as variables of the environment: ${section === "appSettings" ? "APPSETTING_<key>" : "CUSTOMCONNSTR_<name>"}.`,
      );
      continue;
    }
    applyEnvironment(builder, pairs, env, (problem) =>
      report.problem(`configBuilders/builders/add[${name}]${problem}`),
    );
  }
}

function applyEnvironment(
  builder: Element,
  pairs: Map<string, string>,
  env: Environment,
  problem: (text: string) => void,
): void {
  const prefix = (attributeOf(builder, "prefix") ?? "").toLowerCase();
  const strips = /^true$/i.test(attributeOf(builder, "stripPrefix") ?? "");
  const mode = attributeOf(builder, "mode") ?? "Strict";
  // As on Windows, case does not matter in the names of variables.
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(env)) if (value !== undefined) variables.set(name.toLowerCase(), value);

  function lookUp(key: string): string | undefined {
    if (!strips && !key.startsWith(prefix)) return undefined;
    const name = strips ? prefix + key : key;
    return variables.get(name) ?? variables.get(name.replaceAll(":", "__"));
  }

  switch (mode.toLowerCase()) {
    case "strict":
      for (const key of pairs.keys()) pairs.set(key, lookUp(key) ?? pairs.get(key)!);
      break;
    case "greedy":
      for (const [name, value] of variables) {
        if (name.startsWith(prefix)) pairs.set(strips ? name.slice(prefix.length) : name, value);
      }
      break;
    case "token":
    case "expand":
      for (const [key, text] of pairs) {
        pairs.set(
          key,
          text.replace(/\$\{(\w+)\}/g, (token, name: string) => lookUp(name.toLowerCase()) ?? token),
        );
      }
      break;
    default:
      problem(`/@mode is "${mode}": ${suggestion(mode, ["Strict", "Greedy", "Token", "Expand"])}`);
  }
}
