// The syntax tree of a source file, by the package @babel/parser.

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CoatcheckError } from "../../errors.ts";

/** A node of the tree, as far as this command looks at it. `start` and `end` are places in the text. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly loc: { readonly start: { readonly line: number } };
  readonly [property: string]: unknown;
}

export type Parse = (text: string, file: string) => Node;

interface Parser {
  parse(text: string, options: object): unknown;
}

/**
 * The parser of the project in this folder, or else the one that is installed beside coatcheck.
 *
 * @throws CoatcheckError (`COATCHECK_PEER`) with the install command if there is none.
 */
export async function loadParser(folder: string): Promise<Parse> {
  const { parse } = await findParser(folder);
  return (text, file) => parse(text, { ...OPTIONS, plugins: pluginsFor(file) }) as Node;
}

async function findParser(folder: string): Promise<Parser> {
  for (const base of [join(folder, "package.json"), import.meta.url]) {
    let path: string;
    try {
      path = createRequire(base).resolve("@babel/parser");
    } catch {
      continue;
    }
    return (await import(pathToFileURL(path).href)) as Parser;
  }
  throw new CoatcheckError(
    "COATCHECK_PEER",
    'coatcheck: migrate-from needs the package "@babel/parser": npm install --save-dev @babel/parser',
  );
}

/** Mistakes that do not hide the rest of the file are passed over: the application's own tools report them. */
const OPTIONS = {
  sourceType: "unambiguous",
  errorRecovery: true,
  allowReturnOutsideFunction: true,
  allowAwaitOutsideFunction: true,
};

function pluginsFor(file: string): string[] {
  if (/\.[mc]?ts$/.test(file)) return ["typescript", "decorators-legacy"];
  if (/\.tsx$/.test(file)) return ["typescript", "jsx", "decorators-legacy"];
  return ["jsx", "flow", "decorators-legacy"];
}

/** Visits a node and all that is in it, from the outside in. `parent`: the node that it is in. */
export function walk(node: Node, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  visit(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit, node);
  }
}

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string" && "loc" in value;
}

/** The text of a string, or of a template without variables. Undefined for any other node. */
export function textOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "StringLiteral") return node.value as string;
  if (node.type === "TSLiteralType") return textOf(node.literal);
  if (node.type !== "TemplateLiteral") return undefined;
  const [only, ...more] = node.quasis as Node[];
  return more.length === 0 ? (only!.value as { cooked: string }).cooked : undefined;
}

/** The name of an identifier. Undefined for any other node. */
export function nameOf(node: unknown): string | undefined {
  return isNode(node) && node.type === "Identifier" ? (node.name as string) : undefined;
}
