// The results of bench:latency, as its JSON file has them.
import type { Machine } from "./machine.ts";
import type { Latency } from "./pacer.ts";

/** A row of the table. */
export interface LatencyRow {
  id: string;
  name: string;
  ours: boolean;
  situation: string;
  rate: number;
  latency: Latency;
}

export interface LatencyResults {
  date: string;
  machine: Machine;
  seconds: number;
  rows: LatencyRow[];
}

/** Milliseconds. A generator that is later than this had no CPU when a request was due. */
export const LATE = 3;
