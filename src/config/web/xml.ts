import { importPeer } from "../../stores/peer.ts";
import { ConfigError } from "../errors.ts";

export interface Element {
  name: string;
  attributes: Map<string, string>;
  children: Element[];
}

/**
 * Parses a configuration file: elements and attributes; text between elements has no meaning there.
 * What could make it read another file, or grow, is refused: document types, and entities but XML's own five.
 *
 * @throws ConfigError with line and column, if it is not well-formed.
 */
export async function parseXml(bytes: Uint8Array, source: string): Promise<Element> {
  const text = decodeText(bytes, source);
  const { XMLParser, XMLValidator } = await importPeer(
    "fast-xml-parser",
    () => import("fast-xml-parser"),
    "fromWebConfig()",
  );
  if (/<!(DOCTYPE|ENTITY)/i.test(text.replace(/<!--[\s\S]*?-->/g, ""))) {
    throw new ConfigError(
      source,
      "it has a document type (<!DOCTYPE>), which could bring in other files: take it out.",
    );
  }
  const validity = XMLValidator.validate(text);
  if (validity !== true) {
    const { msg, line, col } = validity.err;
    const place = col === undefined ? `line ${line}` : `line ${line}, column ${col}`;
    throw new ConfigError(source, `it is not well-formed XML, at ${place}: ${msg.replace(/\.$/, "")}.`);
  }
  let nodes: Node[];
  try {
    nodes = new XMLParser({
      preserveOrder: true,
      ignoreAttributes: false,
      attributeNamePrefix: "",
      parseTagValue: false,
      processEntities: false,
      trimValues: false,
      ignoreDeclaration: true,
      ignorePiTags: true,
    }).parse(text);
  } catch (cause) {
    throw new ConfigError(source, `it can't be taken: ${(cause as Error).message}.`, cause);
  }
  const roots = elements(nodes, source);
  if (roots.length !== 1)
    throw new ConfigError(source, "it is not well-formed XML: expected exactly one element around all.");
  return roots[0]!;
}

/** As the parser gives it: the element's name with its content, and ":@" with its attributes. */
type Node = Record<string, unknown>;

function elements(nodes: Node[], source: string): Element[] {
  return nodes.flatMap((node) => {
    const name = Object.keys(node).find((key) => key !== ":@" && key !== "#text");
    if (name === undefined) return [];
    const attributes = Object.entries((node[":@"] ?? {}) as Record<string, string>);
    return {
      name,
      attributes: new Map(attributes.map(([key, value]) => [key, decodeEntities(value, `${name}/@${key}`, source)])),
      children: elements(node[name] as Node[], source),
    };
  });
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decodeEntities(text: string, place: string, source: string): string {
  return text.replace(/&([^;\s]*);?/g, (entity, name: string) => {
    if (entity.endsWith(";")) {
      const number = /^#(?:x([\da-f]+)|(\d+))$/i.exec(name);
      const code = number ? Number.parseInt(number[1] ?? number[2]!, number[1] ? 16 : 10) : 0;
      if (code > 0 && code <= 0x10ffff) return String.fromCodePoint(code);
      if (Object.hasOwn(ENTITIES, name)) return ENTITIES[name]!;
    }
    throw new ConfigError(
      source,
      `${place} has the entity "${entity.slice(0, 40)}": write &amp; for an ampersand; no other entities are read.`,
    );
  });
}

function decodeText(bytes: Uint8Array, source: string): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigError(source, "its bytes are not UTF-8: save it as UTF-8.", cause);
  }
}
