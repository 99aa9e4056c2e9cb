// Turns a CPU profile into a tree of stacks.
/** The parts of a `.cpuprofile` that are used here. */
export interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }[];
  samples: number[];
  /** Microseconds. */
  timeDeltas: number[];
}

/** Where a function's code comes from. */
export type Origin = "coatcheck" | "application" | "packages" | "node" | "native";

/** A function as called from one stack. Times are shares of the time that was not idle. */
export interface Frame {
  name: string;
  /** File and line, relative to this repository or to node_modules. Empty where there is no source. */
  location: string;
  origin: Origin;
  /** The time in the function itself. */
  self: number;
  /** The time in the function and all that it called. */
  total: number;
  /** Longest first. */
  calls: Frame[];
}

export const ANONYMOUS = "(anonymous)";
/** This file starts the profiler, which takes time and would show in the profile. */
const HARNESS = new URL("server.ts", import.meta.url).href;
const ROOT = new URL("..", import.meta.url).href;

/** Turns samples into stacks, and merges stacks as far as they begin with the same calls. Returns the root, whose `total` is 1. */
export function fold({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const times = new Map<number, number>();
  for (const [i, id] of samples.entries()) times.set(id, (times.get(id) ?? 0) + timeDeltas[i]!);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const root = frameOf({ functionName: "all", url: "", lineNumber: -1 });
  add(root, nodes[0]!);
  sumUp(root);
  toShares(root, root.total);
  return root;

  /** Adds a node of the profile and all nodes below it to its frame. */
  function add(frame: Frame, { id, children = [] }: CpuProfile["nodes"][number]): void {
    frame.self += times.get(id) ?? 0;
    for (const child of children.map((id) => byId.get(id)!)) {
      if (child.callFrame.functionName === "(idle)" || child.callFrame.url === HARNESS) continue;
      const called = frameOf(child.callFrame);
      const known = frame.calls.find(({ name, location }) => name === called.name && location === called.location);
      if (known === undefined) frame.calls.push(called);
      add(known ?? called, child);
    }
  }
}

/** Each function's own time, from all of its callers, by name and location. */
export function selfTimes(root: Frame): Map<string, number> {
  const times = new Map<string, number>();
  const visit = ({ name, location, self, calls }: Frame) => {
    const label = location === "" ? name : `${name}  ${location}`;
    if (self > 0) times.set(label, (times.get(label) ?? 0) + self);
    for (const call of calls) visit(call);
  };
  visit(root);
  return times;
}

function sumUp(frame: Frame): number {
  frame.total = frame.calls.reduce((sum, call) => sum + sumUp(call), frame.self);
  return frame.total;
}

function toShares(frame: Frame, all: number): void {
  frame.self /= all;
  frame.total /= all;
  frame.calls.sort((one, other) => other.total - one.total);
  for (const call of frame.calls) toShares(call, all);
}

function frameOf({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): Frame {
  const file = url.replace(ROOT, "").replace(/^.*node_modules\//, "");
  return {
    name: functionName || ANONYMOUS,
    location: url === "" ? "" : `${file}:${lineNumber + 1}`,
    origin: originOf(url),
    self: 0,
    total: 0,
    calls: [],
  };
}

function originOf(url: string): Origin {
  if (url === "") return "native";
  if (url.startsWith("node:")) return "node";
  if (url.includes("/node_modules/")) return "packages";
  return url.startsWith(`${ROOT}src/`) ? "coatcheck" : "application";
}
