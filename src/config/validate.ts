import { join } from "./environment.ts";
import { suggestion } from "./errors.ts";
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
  /** Of a secret: it is never printed. */
  writeOnly?: boolean;
}

const definitions = document.$defs as unknown as Record<string, Schema>;

export const ROOT = document as unknown as Schema;
export const STORE_NAMES = Object.keys(definitions).filter((name) => name !== "env" && name !== "duration");

/** What the store of that name takes. */
export function storeSchema(name: string): Schema {
  return definitions[name]!;
}

/** Things that exist in code only, in one store's options or another's. */
const CODE_ONLY = ["client", "pool", "credential", "agent", "onRequestCharge"];

export interface Context {
  fromEnvironment: ReadonlySet<string>;
  /** Told of each problem. */
  problem: (text: string) => void;
  /** Whether texts may still stand for variables, as in a part of the configuration that is not used. */
  unresolved?: boolean;
}

/** The value, with texts from the environment turned into what the schema expects. */
export function validate(value: unknown, schema: Schema, path: string, context: Context): unknown {
  const { problem, fromEnvironment } = context;
  if (value === undefined && fromEnvironment.has(path)) return undefined;
  const branches = branchesOf(schema, context);

  // An object or a list that is expected is looked into, so that the problem inside is the one that is named.
  const objects = branches.filter(({ type }) => type === "object");
  if (objects.length > 0 && isObject(value)) return validateObject(value, objects[0]!, path, context);
  const lists = branches.filter(({ type }) => type === "array");
  if (lists.length > 0 && Array.isArray(value)) return validateList(value, lists[0]!, path, context);

  const readings = fromEnvironment.has(path) ? [value, ...otherReadings(value as string)] : [value];
  for (const reading of readings) if (branches.some((branch) => fits(reading, branch))) return reading;
  problem(`${place(path)} is ${shown(value, branches, fromEnvironment.has(path))}: expected ${expected(schema)}.`);
  return value;
}

function validateObject(value: object, schema: Schema, path: string, context: Context): object {
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
      return [[key, validate(item, properties[key]!, at, context)]];
    }
    context.problem(
      CODE_ONLY.includes(key)
        ? `${at} can't be written in a configuration: make the store in code instead.`
        : `${at} is unknown: ${suggestion(
            key,
            Object.keys(properties).filter((name) => name !== "$schema"),
          )}`,
    );
    return [];
  });
  return Object.fromEntries(clean);
}

function validateList(value: unknown[], schema: Schema, path: string, context: Context): unknown[] {
  if (value.length < (schema.minItems ?? 0)) context.problem(`${place(path)} is empty: expected at least one.`);
  return value.map((item, i) => validate(item, schema.items!, `${path}[${i}]`, context));
}

/** The alternatives of a schema, each without alternatives of its own. */
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

/** A variable is always a text; what it may mean besides. */
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
  if (type === "array") return `a list${schema.items ? ` of which each is ${expected(schema.items)}` : ""}`;
  if (type === "object") return "an object";
  return schema.minLength ? "a text that is not empty" : "a text";
}

/** The value for a message: no secret, nothing from the environment, nothing long. */
function shown(value: unknown, branches: Schema[], isVariable: boolean): string {
  if (isVariable) return "(from the environment, not shown)";
  if (Array.isArray(value)) return "a list";
  if (isObject(value)) return "an object";
  if (typeof value !== "string") return typeof value === "function" ? "a function" : String(value);
  if (value !== "" && branches.some(({ writeOnly }) => writeOnly)) return "a text (not shown)";
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}

function place(path: string): string {
  return path === "" ? "the configuration" : path;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
