// Where a file refers to a package, and under which names it has it.

import { isNode, type Node, nameOf, textOf, walk } from "./syntax.ts";

/** One place where the package is named. */
export interface Reference {
  /** How: `import`, `export`, `require`, `import()`, a type, the declaration of a module, or an argument of another call. */
  kind: "import" | "export" | "require" | "import()" | "type" | "declaration" | "argument";
  /** The text that names it: a string, or a template without variables. */
  name: Node;
  /** What it names: the package itself, or a file in it. */
  module: string;
}

export interface References {
  found: Reference[];
  /** The names in this file, and what each is of the package: `default`, `*`, or the name of an export. */
  locals: ReadonlyMap<string, string>;
  /** The other names that the file declares: by imports, functions and variables. */
  others: ReadonlySet<string>;
  /** Calls of `require` and `import` whose module is computed. */
  computed: Node[];
}

/** Finds the package, and files in it, in a syntax tree. */
export function findReferences(tree: Node, packageName: string): References {
  const found: Reference[] = [];
  const computed: Node[] = [];
  const locals = new Map<string, string>();
  const others = new Set<string>();

  /** True if the node names the package. */
  function add(kind: Reference["kind"], name: unknown): boolean {
    const module = textOf(name);
    if (module !== packageName && !module?.startsWith(`${packageName}/`)) return false;
    found.push({ kind, name: name as Node, module: module! });
    return true;
  }

  function addCall(node: Node, parent: Node | undefined): void {
    const callee = node.callee as Node;
    const [first] = node.arguments as Node[];
    if (first === undefined) return;
    const isImport = callee.type === "Import";
    if (!isImport && nameOf(callee) !== "require") {
      add("argument", first);
      return;
    }
    if (textOf(first) === undefined) computed.push(node);
    else if (add(isImport ? "import()" : "require", first)) bindRequired(parent, node, locals);
  }

  walk(tree, (node, parent) => {
    switch (node.type) {
      case "ImportDeclaration":
        if (add("import", node.source)) bindImported(node.specifiers as Node[], locals);
        else for (const { local } of node.specifiers as Node[]) others.add(nameOf(local)!);
        break;
      case "ExportNamedDeclaration":
      case "ExportAllDeclaration":
        if (isNode(node.source)) add("export", node.source);
        break;
      case "TSImportEqualsDeclaration": {
        const reference = node.moduleReference as Node;
        if (reference.type === "TSExternalModuleReference" && add("require", reference.expression)) {
          locals.set(nameOf(node.id)!, "default");
        }
        break;
      }
      case "TSImportType":
        add("type", node.argument ?? node.source);
        break;
      case "TSModuleDeclaration":
      case "DeclareModule":
        add("declaration", node.id);
        break;
      case "ImportExpression": {
        if (textOf(node.source) === undefined) computed.push(node);
        else if (add("import()", node.source)) bindRequired(parent, node, locals);
        break;
      }
      case "FunctionDeclaration":
      case "VariableDeclarator":
        others.add(nameOf(node.id) ?? "");
        break;
      case "CallExpression":
      case "OptionalCallExpression":
        addCall(node, parent);
        break;
    }
  });
  return { found, locals, others, computed };
}

function bindImported(specifiers: readonly Node[], locals: Map<string, string>): void {
  for (const specifier of specifiers) {
    const local = nameOf(specifier.local)!;
    if (specifier.type === "ImportSpecifier") {
      locals.set(local, nameOf(specifier.imported) ?? textOf(specifier.imported)!);
    } else locals.set(local, specifier.type === "ImportDefaultSpecifier" ? "default" : "*");
  }
}

/** `const session = require(…)`, `const { a: b } = await import(…)`, `const Store = require(…).Store`. */
function bindRequired(parent: Node | undefined, call: Node, locals: Map<string, string>): void {
  if (parent?.type !== "VariableDeclarator" || parent.init !== call) return;
  const id = parent.id as Node;
  const whole = nameOf(id);
  if (whole !== undefined) locals.set(whole, "default");
  if (id.type !== "ObjectPattern") return;
  for (const property of id.properties as Node[]) {
    const local = nameOf(property.value);
    const imported = nameOf(property.key);
    if (local !== undefined && imported !== undefined) locals.set(local, imported);
  }
}
