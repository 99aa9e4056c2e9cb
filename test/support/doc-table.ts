// Tables that a run prints, and writes into a page of the documentation.

import { readFileSync, writeFileSync } from "node:fs";

/** Prints a table. The first row is its head. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    );
}

/** Writes a table into a page, between `<!-- NAME -->` and `<!-- /NAME -->`. */
export function writeTable(page: string, name: string, [head, ...rows]: readonly (readonly string[])[]): void {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const table = [line(head!), line(head!.map(() => "---")), ...rows.map(line)].join("\n");
  const place = new RegExp(`(?<=<!-- ${name} -->\n).*?(?=<!-- /${name} -->)`, "s");
  const text = readFileSync(page, "utf8");
  if (!place.test(text)) throw new Error(`${page} has no place for the table: <!-- ${name} -->`);
  writeFileSync(
    page,
    text.replace(place, () => `${table}\n`),
  );
}
