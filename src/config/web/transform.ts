// Applies a transformation such as Web.Release.config, as Visual Studio does when it publishes a site.

import { printable } from "../../redaction/texts.ts";
import { ConfigError } from "../errors.ts";
import type { Report } from "./attributes.ts";
import type { Element } from "./xml.ts";

const NAMESPACE = /^https?:\/\/schemas\.microsoft\.com\/XML-Document-Transform$/i;
/** What sessions are configured by. A transformation of anything else has no effect here. */
const OURS =
  /^(system\.web(\/(sessionState|httpCookies|machineKey|pages)\b.*)?|appSettings\b.*|connectionStrings\b.*|configBuilders\b.*)?$/;

/** The element of a transformation, and what it says to do. */
interface Step {
  element: Element;
  /** Where it is, for messages: `system.web/sessionState`. */
  path: string;
  locator: string | undefined;
  transform: string | undefined;
}

/**
 * Applies a transformation to a configuration, in place. Of what concerns sessions, everything is applied or refused; the
 * rest is passed over.
 *
 * @param source the name of the transformation's file, for messages.
 * @throws ConfigError if its root is another element.
 * @see https://learn.microsoft.com/previous-versions/aspnet/dd465326(v=vs.110)
 */
export function applyTransform(root: Element, transformation: Element, source: string, report: Report): void {
  if (transformation.name !== root.name) {
    throw new ConfigError(source, `its root is <${transformation.name}>: expected <${root.name}>.`);
  }
  const [declaration] = [...transformation.attributes].filter(([, value]) => NAMESPACE.test(value));
  const prefix = `${declaration?.[0].replace(/^xmlns:/, "") ?? "xdt"}:`;

  function stepOf(element: Element, parent: string): Step {
    const path = parent === "" ? element.name : `${parent}/${element.name}`;
    const locator = element.attributes.get(`${prefix}Locator`);
    const transform = element.attributes.get(`${prefix}Transform`);
    return { element, path, locator, transform };
  }

  function refuse({ path }: Step, text: string): void {
    if (isOurs(path)) report.problem(`${source}: ${path}/@${prefix}${text}`);
  }

  function apply(step: Step, parents: Element[]): void {
    const { element, path, locator, transform } = step;
    const accepts = locator === undefined ? () => true : acceptor(element, locator);
    if (accepts === undefined) {
      refuse(step, `Locator is ${printable(locator!)}: ${LOCATORS}`);
      return;
    }
    if (transform !== undefined) change(step, transform, parents, matchesIn(parents, element, accepts));
    // Its children may say to do more, to what is there now.
    const found = matchesIn(parents, element, accepts).map(({ element }) => element);
    for (const child of element.children) apply(stepOf(child, path), found);
  }

  function change(step: Step, transform: string, parents: Element[], matches: Match[]): void {
    const [, name = "", list] = /^\s*(\w+)\s*(?:\(([^)]*)\))?\s*$/.exec(transform) ?? [];
    const names = list?.split(",").map((part) => part.trim());
    if (!Object.hasOwn(CHANGES, name) || (names !== undefined && !TAKES_NAMES.has(name))) {
      refuse(step, `Transform is ${printable(transform)}: ${TRANSFORMS}`);
    } else if (matches.length > 0 || INSERTS.has(name)) {
      CHANGES[name]!(matches, withoutMarks(step.element, prefix), parents, names);
    } else if (isOurs(step.path)) {
      report.warn(`${source}: ${step.path}/@${prefix}Transform has no effect: the file has no such element.`);
    }
  }

  for (const child of transformation.children) apply(stepOf(child, ""), [root]);
}

const LOCATORS = `expected Match(…) with names of attributes, or Condition(…) of the form @name='value', joined by "and" or "or".`;
const TRANSFORMS =
  "expected Replace, SetAttributes, RemoveAttributes, Insert, InsertIfMissing, Remove or RemoveAll. Apply the transformation by msbuild, and use the resulting file.";
const TAKES_NAMES: ReadonlySet<string> = new Set(["SetAttributes", "RemoveAttributes"]);
const INSERTS: ReadonlySet<string> = new Set(["Insert", "InsertIfMissing"]);

/** An element that a step is about, and where it is. */
interface Match {
  element: Element;
  parent: Element;
}

type Change = (matches: Match[], content: Element, parents: Element[], names?: string[]) => void;

const CHANGES: Readonly<Record<string, Change>> = {
  // Of several elements, the first one, as in the original.
  Replace: ([first], content) => void first!.parent.children.splice(indexOf(first!), 1, content),
  Remove: ([first]) => void first!.parent.children.splice(indexOf(first!), 1),
  RemoveAll(matches) {
    for (const match of matches) match.parent.children.splice(indexOf(match), 1);
  },
  Insert(_, content, parents) {
    for (const parent of parents) parent.children.push(structuredClone(content));
  },
  InsertIfMissing(matches, content, parents) {
    if (matches.length === 0) CHANGES.Insert!(matches, content, parents);
  },
  SetAttributes(matches, { attributes }, _, names = [...attributes.keys()]) {
    for (const { element } of matches) {
      for (const name of names) {
        const value = attributes.get(name);
        if (value !== undefined) element.attributes.set(name, value);
      }
    }
  },
  RemoveAttributes(matches, _, __, names) {
    for (const { element } of matches) {
      for (const name of names ?? [...element.attributes.keys()]) element.attributes.delete(name);
    }
  },
};

function isOurs(path: string): boolean {
  return OURS.test(path);
}

function indexOf({ element, parent }: Match): number {
  return parent.children.indexOf(element);
}

/** The elements of the same name in these parents that the locator accepts. */
function matchesIn(parents: Element[], { name }: Element, accepts: (candidate: Element) => boolean): Match[] {
  return parents.flatMap((parent) =>
    parent.children
      .filter((child) => child.name === name && accepts(child))
      .map((child) => ({ element: child, parent })),
  );
}

/** What a locator accepts. Undefined: it is not supported. */
function acceptor(element: Element, locator: string): ((candidate: Element) => boolean) | undefined {
  const [, kind, list = ""] = /^\s*(\w+)\s*\((.*)\)\s*$/s.exec(locator) ?? [];
  if (kind === "Match") {
    const names = list.split(",").map((name) => name.trim());
    const wanted = names.map((name) => element.attributes.get(name));
    if (wanted.some((value) => value === undefined)) return undefined;
    return ({ attributes }) => names.every((name, i) => attributes.get(name) === wanted[i]);
  }
  if (kind !== "Condition") return undefined;
  // "and" binds more tightly than "or", as in XPath.
  const alternatives = splitBy(list, "or").map((part) => splitBy(part, "and").map(readComparison));
  if (alternatives.flat().includes(undefined)) return undefined;
  return ({ attributes }) => alternatives.some((all) => all.every((one) => attributes.get(one!.name) === one!.value));
}

/** Splits at a word that is not in quotes. */
function splitBy(condition: string, word: string): string[] {
  const parts = [""];
  for (const token of condition.match(/'[^']*'|"[^"]*"|\b(?:or|and)\b|[^'"]/g) ?? []) {
    if (token === word) parts.push("");
    else parts[parts.length - 1] += token;
  }
  return parts;
}

function readComparison(text: string): { name: string; value: string } | undefined {
  const found = /^\s*@([\w:.-]+)\s*=\s*(?:'([^']*)'|"([^"]*)")\s*$/.exec(text);
  return found === null ? undefined : { name: found[1]!, value: found[2] ?? found[3]! };
}

/** A copy without the marks of the transformation. */
function withoutMarks({ name, attributes, children }: Element, prefix: string): Element {
  return {
    name,
    attributes: new Map([...attributes].filter(([key]) => !key.startsWith(prefix))),
    children: children.map((child) => withoutMarks(child, prefix)),
  };
}
