// What a command prints: tables, JSON, progress and errors.

import { styleText } from "node:util";

/** Where a command prints. */
export interface CliStreams {
  readonly stdout: CliStream;
  readonly stderr: CliStream;
}

export interface CliStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

type Style = Parameters<typeof styleText>[0];

const REDRAW_MS = 100;
const BAR_CHARS = 24;

export class Output {
  readonly #streams: CliStreams;
  /** What the command reports to scripts beside its text. */
  exitCode = 0;

  constructor(streams: CliStreams) {
    this.#streams = streams;
  }

  line(text = ""): void {
    this.#streams.stdout.write(`${text}\n`);
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2));
  }

  /** Text in a colour, where a person reads it. */
  styled(style: Style, text: string): string {
    return this.#streams.stdout.isTTY && !process.env.NO_COLOR
      ? styleText(style, text, { validateStream: false })
      : text;
  }

  /** Rows under their headings. Without rows, `empty`. */
  table(headings: readonly string[], rows: readonly (readonly string[])[], empty: string): void {
    if (rows.length === 0) {
      this.line(empty);
      return;
    }
    const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]!.length)));
    const padded = (cells: readonly string[]) =>
      cells
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd();
    this.line(this.styled("bold", padded(headings)));
    for (const row of rows) this.line(padded(row));
  }

  /** What happens, for people who wait. Goes to the standard error, so that it does not mix with results. */
  note(text: string): void {
    this.#streams.stderr.write(`${text}\n`);
  }

  error(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const { isTTY } = this.#streams.stderr;
    const prefix = isTTY && !process.env.NO_COLOR ? styleText("red", "error:", { validateStream: false }) : "error:";
    this.#streams.stderr.write(`${prefix} ${message.replace(/^coatcheck: /, "")}\n`);
  }

  /** Shows how far long work is, on a terminal. Call the result with what is done and, if it is known, with all of it. */
  progress(what: string): { update(done: number, total?: number): void; end(): void } {
    const { stderr } = this.#streams;
    if (!stderr.isTTY) return { update() {}, end() {} };
    let drawnAt = 0;
    return {
      update(done, total) {
        const now = performance.now();
        if (now - drawnAt < REDRAW_MS) return;
        drawnAt = now;
        const share = total ? Math.min(done / total, 1) : undefined;
        const filled = Math.round((share ?? 0) * BAR_CHARS);
        const bar = share === undefined ? "" : ` ${"█".repeat(filled)}${"░".repeat(BAR_CHARS - filled)}`;
        const count = total ? `${grouped(done)} of ${grouped(total)}` : grouped(done);
        stderr.write(`\r\x1b[2K${what}${bar} ${count}`);
      },
      end: () => void stderr.write("\r\x1b[2K"),
    };
  }
}

/** A number as people read it: 1,234,567. */
export function grouped(number: number): string {
  return number.toLocaleString("en-US");
}

/** A number and what it counts: 1 session, 2,000 sessions. */
export function counted(number: number, noun: string): string {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** A span of time in its largest units: 2d 3h, 5m, 12s. */
export function span(milliseconds: number): string {
  const seconds = Math.round(Math.abs(milliseconds) / 1000);
  const units: [string, number][] = [
    ["d", Math.floor(seconds / 86_400)],
    ["h", Math.floor(seconds / 3_600) % 24],
    ["m", Math.floor(seconds / 60) % 60],
    ["s", seconds % 60],
  ];
  const first = units.findIndex(([, count]) => count > 0);
  if (first === -1) return "0s";
  const shown = units.slice(first, first + 2).filter(([, count]) => count > 0);
  return shown.map(([unit, count]) => count + unit).join(" ");
}

/** An instant to the second, in UTC. */
export function instant(milliseconds: number): string {
  return new Date(milliseconds)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

/** A number of bytes: 512 B, 1.2 KiB. */
export function bytes(count: number): string {
  if (count < 1024) return `${Math.round(count)} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(count) / 10), units.length);
  return `${(count / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}
