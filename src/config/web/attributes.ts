import { suggestion } from "../errors.ts";
import type { Element } from "./xml.ts";

/** Where what is found goes. */
export interface Report {
  /** Something that must be refused. */
  problem(text: string): void;
  /** Something that has no effect, or another one than in ASP.NET. */
  warn(text: string): void;
}

/** ASP.NET's own, on every section: what sites below this one may change. There are none here. */
const LOCKS = ["lockItem", "lockAttributes", "lockAllAttributesExcept", "lockElements", "lockAllElementsExcept"];

/**
 * The attributes of an element. Each must be asked for: `finish` refuses those that nobody knows. An empty one counts as
 * left out, as ASP.NET's providers have it.
 */
export class Attributes {
  readonly path: string;
  readonly report: Report;
  readonly #values: ReadonlyMap<string, string>;
  readonly #known = new Set<string>();

  constructor(element: Element | undefined, path: string, report: Report) {
    this.path = path;
    this.report = report;
    this.#values = element?.attributes ?? new Map();
  }

  text(name: string): string | undefined {
    this.#known.add(name);
    return this.#values.get(name)?.trim() || undefined;
  }

  number(name: string, min: number, max = 2_147_483_647): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : this.readNumber(name, text, min, max);
  }

  readNumber(name: string, text: string, min: number, max = 2_147_483_647): number | undefined {
    const number = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    this.refuse(name, `is "${text}": expected a whole number from ${min} to ${max}.`);
    return undefined;
  }

  boolean(name: string): boolean | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : this.readBoolean(name, text);
  }

  readBoolean(name: string, text: string): boolean | undefined {
    if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
    this.refuse(name, `is "${text}": expected true or false.`);
    return undefined;
  }

  oneOf<Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = values.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
    if (value === undefined) this.refuse(name, `is "${text}": ${suggestion(text, values)}`);
    return value;
  }

  /** Warns if the attribute is there, and if `when` holds for its value. Gives that value. */
  ignore(name: string, reason: string, when: (value: string) => boolean = () => true): string | undefined {
    const text = this.text(name);
    if (text !== undefined && when(text)) this.report.warn(`${this.at(name)} has no effect: ${reason}`);
    return text;
  }

  refuse(name: string, reason: string): void {
    this.report.problem(`${this.at(name)} ${reason}`);
  }

  at(name: string): string {
    return `${this.path}/@${name}`;
  }

  /** To be called when every attribute that is known has been asked for. */
  finish(): void {
    for (const name of this.#values.keys()) {
      if (this.#known.has(name) || name === "xmlns" || name.startsWith("xmlns:")) continue;
      if (LOCKS.includes(name)) {
        this.report.warn(`${this.at(name)} has no effect: there are no sites below this one.`);
      } else if (name.startsWith("xdt:")) {
        this.refuse(name, "is of a transformation: apply it first, and give the file that comes out.");
      } else {
        this.refuse(name, `is unknown: ${suggestion(name, [...this.#known])}`);
      }
    }
  }
}
