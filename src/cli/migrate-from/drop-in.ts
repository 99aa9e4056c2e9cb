// From express-session to its drop-in: the name of the module changes, and nothing else.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Reference, References } from "./references.ts";
import { byHand, quoted, type Suggestion } from "./suggestion.ts";

const FROM = "express-session";
const TO = "coatcheck/express-session";

export function suggestDropIn(file: string, text: string, { found, computed }: References): Suggestion[] {
  return [
    ...found.map((reference) => suggestFor(file, text, reference)),
    ...computed.map((call) =>
      byHand(
        file,
        text,
        call,
        `"${TO}", if it is "${FROM}"`,
        "The module's name is computed, so it can't be seen here.",
      ),
    ),
  ];
}

function suggestFor(file: string, text: string, { kind, name, module }: Reference): Suggestion {
  if (module !== FROM) {
    return byHand(
      file,
      text,
      name,
      `Cookie, MemoryStore, Session and Store of "${TO}"`,
      "The drop-in has no files that can be imported.",
    );
  }
  if (kind === "declaration") {
    return byHand(
      file,
      text,
      name,
      `"${TO}", when @types/express-session is removed`,
      "While that package is installed, its types hold, and this declaration with them.",
    );
  }
  if (kind === "argument") {
    return byHand(
      file,
      text,
      name,
      `"${TO}", if the call is about the module, as a mock is`,
      "Only the call itself knows what the name means.",
    );
  }
  // Without the quotes, so that they stay what they are.
  const edit = { start: name.start + 1, end: name.end - 1, text: TO };
  const change = text[name.start] + TO + text[name.end - 1];
  return { file, line: name.loc.start.line, found: quoted(text, name), change, edit };
}

/** What the project's package.json says: what to install, and what still needs express-session. */
export function adviseOnPackages(folder: string): string[] {
  const manifest = readManifest(join(folder, "package.json"));
  if (manifest === undefined) return [`npm install coatcheck`];
  const installed = { ...manifest.dependencies, ...manifest.devDependencies };
  const advice = Object.hasOwn(installed, "coatcheck") ? [] : ["npm install coatcheck"];
  const users = Object.keys(installed).filter((name) => {
    const other = readManifest(join(folder, "node_modules", name, "package.json"));
    return other?.peerDependencies?.[FROM] !== undefined || other?.dependencies?.[FROM] !== undefined;
  });
  if (users.length > 0) advice.push(`Keep the package ${FROM}: ${users.join(", ")} needs it.`);
  else if (Object.hasOwn(installed, FROM)) advice.push(`When all tests pass: npm uninstall ${FROM}`);
  for (const [name, script] of Object.entries(manifest.scripts ?? {})) {
    if (/\bDEBUG=\S*express-session/.test(script)) {
      advice.push(
        `The script "${name}" sets DEBUG=express-session: the drop-in logs nothing there. Use sessions.on(event, …).`,
      );
    }
  }
  return advice;
}

interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  scripts?: Record<string, string>;
}

function readManifest(path: string): Manifest | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Manifest) : undefined;
}
