// Parses XML safely: no document types, no custom entities.

import { printable } from "../../redaction/texts.ts";
import { loadXmlParser } from "../../stores/shared/optional-packages.ts";
import { importPeer } from "../../stores/shared/peer-dependency.ts";
import { ConfigError } from "../errors.ts";

export interface Element {
  name: string;
  attributes: Map<string, string>;
  children: Element[];
}

/** The value of an attribute. Its name is compared without case, as in .NET's providers. */
export function attributeOf(element: Element, name: string): string | undefined {
  for (const [key, value] of element.attributes) if (key.toLowerCase() === name.toLowerCase()) return value;
  return undefined;
}

/**
 * Parses a configuration file into elements and attributes. Text between elements is dropped.
 *
 * Document types are refused, and so are entities except XML's own five: they could read other files, or expand to a huge
 * text.
 *
 * @throws ConfigError if the file is refused, or not well-formed; then with line and column.
 */
export async function parseXml(bytes: Uint8Array, source: string): Promise<Element> {
  const text = decodeText(bytes, source);
  const { XMLParser, XMLValidator } = await importPeer("fast-xml-parser", loadXmlParser, "fromWebConfig()");
  if (/<!(DOCTYPE|ENTITY)/i.test(text.replace(/<!--[\s\S]*?-->/g, ""))) {
    throw new ConfigError(source, "it has a document type (<!DOCTYPE>), which could read other files: remove it.");
  }
  const validity = XMLValidator.validate(text);
  if (validity !== true) {
    const { msg, line, col } = validity.err;
    const position = col === undefined ? `line ${line}` : `line ${line}, column ${col}`;
    throw new ConfigError(source, `it is not well-formed XML, at ${position}: ${msg.replace(/\.$/, "")}.`);
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
    throw new ConfigError(source, `it can't be parsed: ${(cause as Error).message}.`, cause);
  }
  const roots = elements(nodes, source);
  if (roots.length !== 1)
    throw new ConfigError(source, "it is not well-formed XML: expected exactly one root element.");
  return roots[0]!;
}

/** The parser's format: the element's name with its content, and ":@" with its attributes. */
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

function decodeEntities(text: string, path: string, source: string): string {
  return text.replace(/&([^;\s]*);?/g, (entity, name: string) => {
    if (entity.endsWith(";")) {
      const number = /^#(?:x([\da-f]+)|(\d+))$/i.exec(name);
      const code = number ? Number.parseInt(number[1] ?? number[2]!, number[1] ? 16 : 10) : 0;
      if (code > 0 && code <= 0x10ffff) return String.fromCodePoint(code);
      if (Object.hasOwn(ENTITIES, name)) return ENTITIES[name]!;
    }
    throw new ConfigError(
      source,
      `${path} has the entity "${entity.slice(0, 40)}": write &amp; for an ampersand. Only XML's own entities are allowed.`,
    );
  });
}

/** The text of a file: in the encoding of its byte order mark, or else of its XML declaration, or else in UTF-8. */
function decodeText(bytes: Uint8Array, source: string): string {
  const encoding = encodingOf(bytes);
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    const problem =
      cause instanceof RangeError
        ? `its encoding is ${printable(encoding)}, which Node.js does not know`
        : `its bytes are not ${encoding.toUpperCase()}`;
    throw new ConfigError(source, `${problem}: save it as UTF-8.`, cause);
  }
}

function encodingOf(bytes: Uint8Array): string {
  const [first, second] = bytes;
  // UTF-16 by its byte order mark, or by the zero byte beside the "<" that begins the file.
  if ((first === 0xff && second === 0xfe) || (first === 0x3c && second === 0)) return "utf-16le";
  if ((first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c)) return "utf-16be";
  if (first === 0xef && second === 0xbb) return "utf-8";
  const declaration = new TextDecoder("latin1").decode(bytes.subarray(0, 200));
  const declared = /^\s*<\?xml\s[^>]*?\bencoding\s*=\s*["']([\w.:-]+)["']/.exec(declaration)?.[1] ?? "utf-8";
  // A declaration that can be read byte by byte is not in UTF-16, whatever it says.
  return /^utf-?16|^ucs-?2/i.test(declared) ? "utf-8" : declared;
}
