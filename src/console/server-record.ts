// The record that a server leaves in the store for the consoles of the farm.

import type { Internals } from "../management/internals.ts";
import type { Version } from "../store.ts";
import { serverKey } from "../util/side-records.ts";
import type { ServerReport } from "./protocol.ts";
import { SideRecord } from "./side-record.ts";

/** A report as the store has it. Its reader finds out whether the server is late. */
export interface StoredReport extends ServerReport {
  readonly status: "up" | "stopped";
  /** When the next report is due. */
  readonly dueAt: number;
}

// So long a server that is gone is shown.
const KEPT_MS = 5 * 60_000;
// A report may be late by so much, as the store's answers are.
const LATE_AFTER_MS = 2_500;
const LOST_AFTER_MS = 15_000;

/** The server's own record. */
export class OwnRecord {
  readonly #record: SideRecord<StoredReport>;
  #version: Version | undefined;

  constructor(internals: Internals, id: string) {
    this.#record = new SideRecord(internals, serverKey(id));
  }

  /** Nobody else writes it. Where a write's outcome is unknown, the record's version is read again. */
  async write(report: StoredReport): Promise<void> {
    const expiresAt = report.seenAt + KEPT_MS;
    const former = this.#version;
    this.#version = undefined;
    this.#version = await this.#record.write(report, expiresAt, former);
    if (this.#version !== undefined) return;
    const found = await this.#record.read();
    this.#version = await this.#record.write(report, expiresAt, found?.version);
  }
}

/** The reports of these servers that the store has. */
export async function readReports(internals: Internals, ids: readonly string[]): Promise<StoredReport[]> {
  const found = await Promise.all(ids.map((id) => new SideRecord<StoredReport>(internals, serverKey(id)).read()));
  return found.flatMap((one) => one?.state ?? []);
}

/** The report with the status that it has by now, an instant of the store's clock. */
export function withStatus({ dueAt, ...report }: StoredReport, now: number): ServerReport {
  if (report.status === "stopped" || now <= dueAt + LATE_AFTER_MS) return report;
  return { ...report, status: now <= dueAt + LOST_AFTER_MS ? "late" : "lost" };
}
