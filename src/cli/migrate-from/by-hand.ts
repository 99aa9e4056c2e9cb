// Lists what a person has to change where a package has no drop-in.

import type { Advice, PackageRules } from "./packages.ts";
import type { Reference, References } from "./references.ts";
import { byHand, type Suggestion } from "./suggestion.ts";
import { isNode, type Node, nameOf, walk } from "./syntax.ts";

/** A file in which it looks. */
interface SourceFile {
  file: string;
  text: string;
  tree: Node;
}

/** The calls of the package's exports, and the uses of its sessions. */
export function suggestByHand(
  source: SourceFile,
  { found, locals: bound, others }: References,
  rules: PackageRules,
): Suggestion[] {
  const { file, text, tree } = source;
  const locals = rules.isFramework ? withAutomatic(bound, others, rules) : bound;
  const suggestions: Suggestion[] = found.flatMap((reference) => suggestImport(source, reference, rules));
  const sessions = sessionVariables(tree, locals, rules);
  const add = (node: Node, { change, why }: Advice) => void suggestions.push(byHand(file, text, node, change, why));

  walk(tree, (node, parent) => {
    if (isCall(node)) {
      const exported = exportOf(node.callee as Node, locals);
      const advice = exported === undefined ? undefined : rules.exports[exported];
      if (advice !== undefined) add(node, advice);
    } else if (node.type === "AssignmentExpression" && isSession(node.left as Node, sessions, rules)) {
      if ((node.right as Node).type === "NullLiteral") add(node, LOGOUT);
    } else if (isMember(node) && isSession(node.object as Node, sessions, rules)) {
      const name = node.computed === true ? undefined : nameOf(node.property);
      if (name !== undefined && Object.hasOwn(rules.members, name)) {
        const advice = rules.members[name];
        if (advice !== undefined) add(parent !== undefined && isCall(parent) ? parent : node, advice);
      } else if (rules.holdsData) {
        const { end } = node.object as Node;
        add(node, { change: `${text.slice(node.start, end)}.data${text.slice(end, node.end)}`, why: WHY_DATA });
      }
    }
  });
  // A package that an application registers by its name alone, such as Fastify's, is no call.
  for (const argument of registered(tree, locals)) {
    const advice = rules.exports.default;
    if (advice !== undefined) add(argument, advice);
  }
  return suggestions.sort((one, other) => one.line - other.line);
}

const WHY_DATA = "The data is under data. It is there when the middleware is coatcheck's.";
const LOGOUT: Advice = {
  change: "await session.destroy()",
  why: "null says nothing to a store: the session has to end there, on every server.",
};

function suggestImport({ file, text }: SourceFile, { kind, name }: Reference, rules: PackageRules): Suggestion[] {
  // An argument may be anything: "h3" is an element of HTML, too.
  if (kind === "argument" || rules.isFramework) return [];
  return [byHand(file, text, name, `an entry point of coatcheck: see ${rules.guide}`, "The calls differ.")];
}

/** With the exports that nobody declares in this file: Nitro imports those of h3 by itself. */
function withAutomatic(
  locals: ReadonlyMap<string, string>,
  others: ReadonlySet<string>,
  { exports }: PackageRules,
): ReadonlyMap<string, string> {
  const automatic = Object.keys(exports).filter((name) => !others.has(name));
  return new Map([...automatic.map((name): [string, string] => [name, name]), ...locals]);
}

/** The variables that hold a session: `const session = await getIronSession(…)`. */
function sessionVariables(
  tree: Node,
  locals: ReadonlyMap<string, string>,
  { givesSession }: PackageRules,
): Set<string> {
  const names = new Set<string>();
  if (givesSession === undefined) return names;
  walk(tree, (node) => {
    if (node.type !== "VariableDeclarator" || !isNode(node.init)) return;
    const call = node.init.type === "AwaitExpression" ? (node.init.argument as Node) : node.init;
    const name = nameOf(node.id);
    if (name === undefined || !isCall(call)) return;
    const exported = exportOf(call.callee as Node, locals);
    if (exported !== undefined && givesSession.includes(exported)) names.add(name);
  });
  return names;
}

/** `req.session`, `ctx.session`, or a variable that holds a session. */
function isSession(node: Node, variables: ReadonlySet<string>, { givesSession }: PackageRules): boolean {
  const inner = unwrapped(node);
  if (givesSession !== undefined) return variables.has(nameOf(inner) ?? "");
  return isMember(inner) && inner.computed !== true && nameOf(inner.property) === "session";
}

/** Without what TypeScript adds: `req.session!`, `(req.session as Mine)`. */
function unwrapped(node: Node): Node {
  const wrappers = ["TSNonNullExpression", "TSAsExpression", "TSSatisfiesExpression", "ParenthesizedExpression"];
  return wrappers.includes(node.type) ? unwrapped(node.expression as Node) : node;
}

/** Which export of the package is called: of `session()`, of `iron.getIronSession()`. */
function exportOf(callee: Node, locals: ReadonlyMap<string, string>): string | undefined {
  const name = nameOf(callee);
  if (name !== undefined) {
    const exported = locals.get(name);
    return exported === "*" ? "default" : exported;
  }
  if (!isMember(callee)) return undefined;
  const module = locals.get(nameOf(callee.object) ?? "");
  return module === "*" || module === "default" ? nameOf(callee.property) : undefined;
}

/** Where the package itself is handed to another function: `app.register(fastifySession, …)`. */
function registered(tree: Node, locals: ReadonlyMap<string, string>): Node[] {
  const calls: Node[] = [];
  walk(tree, (node) => {
    if (!isCall(node)) return;
    const [first] = node.arguments as Node[];
    if (locals.get(nameOf(first) ?? "") === "default" && nameOf((node.callee as Node).property) === "register") {
      calls.push(node);
    }
  });
  return calls;
}

function isCall(node: Node): boolean {
  return node.type === "CallExpression" || node.type === "OptionalCallExpression" || node.type === "NewExpression";
}

function isMember(node: Node): boolean {
  return node.type === "MemberExpression" || node.type === "OptionalMemberExpression";
}
