// Checks that exclusive mode is strictly serial.
import type { Operation } from "../history.ts";
import type { SessionHistory } from "./session-history.ts";
import type { Anomaly, Violation } from "./violation.ts";

/**
 * Each turn overwrites the number and the name of the turn before it, so the turns form a chain. No turn has two
 * successors, the chain agrees with the times of calls and answers, and critical sections do not overlap.
 */
export function checkTurns({ root, reads, writes }: SessionHistory): Violation[] {
  const violations: Violation[] = [];
  const report = (anomaly: Anomaly, what: string, ...operations: Operation[]) =>
    violations.push({ anomaly, message: `session ${root}: ${what}`, operations });

  const turns = writes.filter(({ operation }) => operation.kind === "serial");
  const byName = new Map(turns.map((turn) => [turn.operation.name, turn.operation]));
  const certain = turns.filter(({ end }) => end < Infinity).map(({ operation }) => operation);
  const observations = reads.filter(({ seen }) => seen!.turn !== undefined);

  const nameAt = new Map<number, { name: string; by: Operation }>();
  const assign = (n: number, name: string, by: Operation) => {
    const other = nameAt.get(n);
    if (other === undefined) nameAt.set(n, { name, by });
    else if (other.name !== name) report("lost update", `turn ${n} was ${other.name}'s and ${name}'s`, other.by, by);
  };
  for (const turn of certain) assign(numberSeen(turn) + 1, turn.name, turn);
  for (const read of observations) {
    const { turn, left, right } = read.seen!;
    if ((turn?.last ?? null) !== (left ?? null) || left !== right) report("torn read", "saw half a turn", read);
    if (turn == null) continue;
    const author = byName.get(turn.last);
    if (author === undefined || author.call > read.end) {
      report("impossible value", `saw ${turn.last}, which was never written`, read);
    }
    assign(turn.n, turn.last, read);
  }

  checkTimes(observations, new Set(certain), report);
  checkHolds(certain, report);
  return violations;
}

type Report = (anomaly: Anomaly, what: string, ...operations: Operation[]) => void;

/** An operation that begins after another one has ended sees at least what that one saw or wrote. */
function checkTimes(observations: Operation[], written: Set<Operation>, report: Report): void {
  const known = (operation: Operation) => numberSeen(operation) + (written.has(operation) ? 1 : 0);
  const byEnd = [...observations].sort((a, b) => a.end - b.end);
  let before = 0;
  let newest: Operation | undefined;
  for (const observation of [...observations].sort((a, b) => a.call - b.call)) {
    for (; before < byEnd.length && byEnd[before]!.end < observation.call; before++) {
      if (newest === undefined || known(byEnd[before]!) > known(newest)) newest = byEnd[before]!;
    }
    if (newest === undefined || numberSeen(observation) >= known(newest)) continue;
    const recovers = observations.some((later) => later.call > observation.end && numberSeen(later) >= known(newest!));
    const what = `saw turn ${numberSeen(observation)} after turn ${known(newest)}`;
    report(recovers ? "stale read" : "lost update", what, newest, observation);
  }
}

function checkHolds(turns: Operation[], report: Report): void {
  const held = turns.filter(({ hold }) => hold !== undefined).sort((a, b) => a.hold![0] - b.hold![0]);
  let last: Operation | undefined;
  for (const turn of held) {
    if (last !== undefined && turn.hold![0] < last.hold![1]) {
      report("lock overlap", `${turn.name} entered before ${last.name} had left`, last, turn);
    }
    if (last === undefined || turn.hold![1] > last.hold![1]) last = turn;
  }
}

function numberSeen({ seen }: Operation): number {
  return seen?.turn?.n ?? 0;
}
