// Reads the attributes of an element, and reports wrong and unknown ones.

import { printable } from "../../redaction/texts.ts";
import { suggestion } from "../../util/option-names.ts";
import type { Element } from "./xml.ts";

/** Collects the problems and warnings of a web.config. */
export interface Report {
  /** For a setting that must be refused. */
  problem(text: string): void;
  /** For a setting that has no effect, or another effect than in ASP.NET. */
  warn(text: string): void;
  /** How many problems there are so far. */
  count(): number;
}

/** Attributes that ASP.NET allows on every section, in lower case. They say what nested sites may change; here are none. */
const LOCK_ATTRIBUTES = [
  "lockitem",
  "lockattributes",
  "lockallattributesexcept",
  "lockelements",
  "lockallelementsexcept",
];

/**
 * The attributes of an element. Each known attribute must be read before `finish`, which refuses the others. Names are
 * compared without case as in ASP.NET's providers, unless the element is ASP.NET's own. An empty attribute counts as missing.
 */
export class Attributes {
  readonly path: string;
  readonly report: Report;
  /** The names as they are written, and the values, by the name in lower case. */
  readonly #given = new Map<string, { name: string; value: string }>();
  /** The names that were read, by the name in lower case. */
  readonly #known = new Map<string, string>();

  readonly #isCaseSensitive: boolean;

  /** `spelling`: for the sections of ASP.NET itself, which knows a name in another case as little as any other. */
  constructor(element: Element | undefined, path: string, report: Report, spelling?: "case-sensitive") {
    this.path = path;
    this.report = report;
    this.#isCaseSensitive = spelling !== undefined;
    for (const [name, value] of element?.attributes ?? []) {
      const other = this.#given.get(name.toLowerCase());
      if (other === undefined) this.#given.set(name.toLowerCase(), { name, value });
      else this.refuse(name, `is there twice, also as ${other.name}: expected it once.`);
    }
  }

  text(name: string): string | undefined {
    this.#known.set(name.toLowerCase(), name);
    const given = this.#given.get(name.toLowerCase());
    if (this.#isCaseSensitive && given !== undefined && given.name !== name) {
      this.refuse(given.name, `is unknown: names are case-sensitive, so write ${name}.`);
    }
    return given?.value.trim() || undefined;
  }

  number(name: string, min: number, max = 2_147_483_647): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : this.readNumber(name, text, min, max);
  }

  readNumber(name: string, text: string, min: number, max = 2_147_483_647): number | undefined {
    const number = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    this.refuse(name, `is ${printable(text)}: expected a whole number from ${min} to ${max}.`);
    return undefined;
  }

  boolean(name: string): boolean | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : this.readBoolean(name, text);
  }

  readBoolean(name: string, text: string): boolean | undefined {
    if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
    this.refuse(name, `is ${printable(text)}: expected true or false.`);
    return undefined;
  }

  oneOf<Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = values.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
    if (value === undefined) this.refuse(name, `is ${printable(text)}: ${suggestion(text, values)}`);
    return value;
  }

  /** Warns that the attribute has no effect, if it is set and `when` gives true for its value. */
  ignore(name: string, reason: string, when: (value: string) => boolean = () => true): void {
    const text = this.text(name);
    if (text !== undefined && when(text)) this.report.warn(`${this.at(name)} has no effect: ${reason}`);
  }

  refuse(name: string, reason: string): void {
    this.report.problem(`${this.at(name)} ${reason}`);
  }

  at(name: string): string {
    return `${this.path}/@${name}`;
  }

  /** Refuses every attribute that was not read. */
  finish(): void {
    for (const [key, { name }] of this.#given) {
      if (this.#known.has(key) || key === "xmlns" || key.startsWith("xmlns:")) continue;
      if (LOCK_ATTRIBUTES.includes(key)) {
        this.report.warn(`${this.at(name)} has no effect: there are no nested sites here.`);
      } else if (key.startsWith("xdt:")) {
        this.refuse(
          name,
          'belongs to a transformation: give this file as the option "transform" beside the web.config.',
        );
      } else {
        this.refuse(name, `is unknown: ${suggestion(name, [...this.#known.values()])}`);
      }
    }
  }
}

export function ignoreKeepAlive(attributes: Attributes): void {
  attributes.ignore(
    "skipKeepAliveWhenUnused",
    "every request that opens a session keeps it alive, with one write in each tenth of the timeout.",
    (value) => value.toLowerCase() !== "false",
  );
}
