// A template tag for HTML.
/** Markup, which goes into a page unescaped. */
export interface Html {
  readonly markup: string;
}

type Part = Html | string | number | false | undefined | readonly Html[];

/** A template whose values are escaped, unless they are markup. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return { markup: String.raw({ raw: strings }, ...parts.map(markupOf)) };
}

function markupOf(part: Part): string {
  if (part === undefined || part === false) return "";
  if (typeof part === "string" || typeof part === "number") return String(part).replace(/[&<>"']/g, entity);
  return "markup" in part ? part.markup : part.map(markupOf).join("");
}

function entity(character: string): string {
  return `&#${character.charCodeAt(0)};`;
}
