// Checks a JSON configuration against schema.json.

import { printable } from "../redaction/texts.ts";
import { mostSimilar, suggestion } from "../util/option-names.ts";
import { join } from "./environment.ts";
import document from "./schema.json" with { type: "json" };

/** The part of JSON Schema that `schema.json` uses. */
interface Schema {
  title?: string;
  $ref?: string;
  type?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  pattern?: string;
  minLength?: number;
  minItems?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  /** True for a secret: its value is never printed. */
  writeOnly?: boolean;
}

const definitions = document.$defs as unknown as Record<string, Schema>;

export const ROOT = document as unknown as Schema;
export const STORE_NAMES = Object.keys(definitions).filter((name) => name !== "env" && name !== "duration");

/** The schema of the built-in store's options. */
export function storeSchema(name: string): Schema {
  return definitions[name]!;
}

/** Options of stores that can only be given in code. */
const CODE_ONLY = ["client", "pool", "credential", "agent", "onRequestCharge"];

export interface ValidationContext {
  /** The paths of texts that came from the environment. */
  fromEnvironment: ReadonlySet<string>;
  /** Called for each problem. */
  problem: (text: string) => void;
  /** True if a text may still be a variable, as in a provider that is not chosen. */
  unresolved?: boolean;
}

/**
 * The value without what is wrong in it: that is undefined, or missing in its object. Texts from the environment are
 * converted to the type that the schema expects.
 */
export function validate(value: unknown, schema: Schema, path: string, context: ValidationContext): unknown {
  const { problem, fromEnvironment } = context;
  if (value === undefined && fromEnvironment.has(path)) return undefined;
  const branches = branchesOf(schema, context);

  // Goes into an expected object or list, so that the message names the problem inside it.
  const object = branches.find(({ type }) => type === "object");
  if (object !== undefined && isObject(value)) return validateObject(value, object, path, context);
  const list = branches.find(({ type }) => type === "array");
  if (list !== undefined && Array.isArray(value)) return validateList(value, list, path, context);

  const readings = fromEnvironment.has(path) ? [value, ...otherReadings(value as string)] : [value];
  for (const reading of readings) if (branches.some((branch) => fits(reading, branch))) return reading;
  const isVariable = fromEnvironment.has(path);
  const meant = typeof value === "string" && !isVariable ? mostSimilar(value, textsOf(branches)) : undefined;
  const fix = meant === undefined ? `expected ${expected(schema)}.` : `did you mean "${meant}"?`;
  problem(`${nameOf(path)} is ${printed(value, branches, isVariable)}: ${fix}`);
  return undefined;
}

/** The texts that the branches list. */
function textsOf(branches: readonly Schema[]): string[] {
  return branches.flatMap((branch) => branch.enum ?? []).filter((one) => typeof one === "string");
}

function validateObject(value: object, schema: Schema, path: string, context: ValidationContext): object {
  const { properties, required = [] } = schema;
  for (const name of required) {
    if (!Object.hasOwn(value, name)) {
      context.problem(`${join(path, name)} is missing: expected ${expected(properties![name]!)}.`);
    }
  }
  const clean = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    const at = join(path, key);
    if (properties === undefined) return [[key, item]];
    if (Object.hasOwn(properties, key)) {
      const valid = validate(item, properties[key]!, at, context);
      return valid === undefined ? [] : [[key, valid]];
    }
    context.problem(
      CODE_ONLY.includes(key)
        ? `${at} can't be set in a configuration: make the store in code instead.`
        : `${at} is unknown: ${suggestion(
            key,
            Object.keys(properties).filter((name) => name !== "$schema"),
          )}`,
    );
    return [];
  });
  return Object.fromEntries(clean);
}

function validateList(value: unknown[], schema: Schema, path: string, context: ValidationContext): unknown[] {
  if (value.length < (schema.minItems ?? 0)) context.problem(`${nameOf(path)} is empty: expected at least one item.`);
  return value
    .map((item, i) => validate(item, schema.items!, `${path}[${i}]`, context))
    .filter((item) => item !== undefined);
}

/** All alternatives of a schema, those of its alternatives included. */
function branchesOf(schema: Schema, { unresolved }: { unresolved?: boolean }): Schema[] {
  if (schema.$ref === "#/$defs/env" && !unresolved) return [];
  if (schema.$ref !== undefined)
    return branchesOf(definitions[schema.$ref.slice("#/$defs/".length)]!, { unresolved: true });
  return schema.anyOf?.flatMap((branch) => branchesOf(branch, { ...(unresolved && { unresolved }) })) ?? [schema];
}

function fits(value: unknown, schema: Schema): boolean {
  if (schema.enum !== undefined) return schema.enum.includes(value);
  switch (schema.type) {
    case "string":
      if (typeof value !== "string" || value.length < (schema.minLength ?? 0)) return false;
      return schema.pattern === undefined || new RegExp(schema.pattern).test(value);
    case "boolean":
      return typeof value === "boolean";
    default: {
      if (typeof value !== "number" || !Number.isFinite(value)) return false;
      if (schema.type === "integer" && !Number.isSafeInteger(value)) return false;
      const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum = -Infinity } = schema;
      return value >= minimum && value <= maximum && value > exclusiveMinimum;
    }
  }
}

/** A variable is always a text. This gives the number or boolean that it may mean. */
function otherReadings(text: string): unknown[] {
  if (text === "true" || text === "false") return [text === "true"];
  return /^-?\d+(\.\d+)?$/.test(text.trim()) ? [Number(text)] : [];
}

function expected(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const target = definitions[schema.$ref.slice("#/$defs/".length)]!;
    return target.title ?? expected(target);
  }
  if (schema.anyOf !== undefined) {
    const others = schema.anyOf.filter(({ $ref }) => $ref !== "#/$defs/env");
    return [...new Set(others.map(expected))].join(", or ");
  }
  if (schema.enum !== undefined)
    return `${schema.enum.length > 1 ? "one of " : ""}${schema.enum.map((one) => JSON.stringify(one)).join(", ")}`;
  const { type, minimum, maximum, exclusiveMinimum } = schema;
  if (type === "integer" || type === "number") {
    const number = type === "integer" ? "a whole number" : "a number";
    if (maximum !== undefined) return `${number} from ${minimum} to ${maximum}`;
    if (minimum !== undefined) return `${number} from ${minimum}`;
    return exclusiveMinimum === undefined ? number : `${number} above ${exclusiveMinimum}`;
  }
  if (type === "boolean") return "true or false";
  if (type === "array") return `a list${schema.items ? `, each item ${expected(schema.items)}` : ""}`;
  if (type === "object") return "an object";
  return schema.minLength ? "a text that is not empty" : "a text";
}

/** The value for a message, without secrets and values from the environment, and shortened. */
function printed(value: unknown, branches: Schema[], isVariable: boolean): string {
  if (isVariable) return "(from the environment, not shown)";
  if (Array.isArray(value)) return "a list";
  if (isObject(value)) return "an object";
  if (typeof value !== "string") return typeof value === "function" ? "a function" : String(value);
  if (value !== "" && branches.some(({ writeOnly }) => writeOnly)) return "a text (not shown)";
  return printable(value);
}

function nameOf(path: string): string {
  return path === "" ? "the configuration" : path;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
