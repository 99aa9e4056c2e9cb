import type { Operation } from "../history.ts";
import type { SessionHistory } from "./session-history.ts";
import type { Violation, Wrong } from "./violation.ts";

/**
 * A session in exclusive mode is strictly serial. Each turn writes its number and its name over those of the turn
 * before, so the turns form a chain: none has two successors, it agrees with the times of calls and answers, and the
 * critical sections along it do not overlap.
 */
export function checkTurns({ root, reads, writes }: SessionHistory): Violation[] {
  const violations: Violation[] = [];
  const wrongly = (wrong: Wrong, what: string, ...operations: Operation[]) =>
    violations.push({ wrong, message: `session ${root}: ${what}`, operations });

  const turns = writes.filter(({ operation }) => operation.kind === "serial");
  const byName = new Map(turns.map((turn) => [turn.operation.name, turn.operation]));
  const surely = turns.filter(({ end }) => end < Infinity).map(({ operation }) => operation);
  const looks = reads.filter(({ seen }) => seen!.turn !== undefined);

  const nameAt = new Map<number, { name: string; by: Operation }>();
  const claim = (n: number, name: string, by: Operation) => {
    const other = nameAt.get(n);
    if (other === undefined) nameAt.set(n, { name, by });
    else if (other.name !== name) wrongly("lost update", `turn ${n} was ${other.name}'s and ${name}'s`, other.by, by);
  };
  for (const turn of surely) claim(numberSeen(turn) + 1, turn.name, turn);
  for (const read of looks) {
    const { turn, left, right } = read.seen!;
    if ((turn?.last ?? null) !== (left ?? null) || left !== right) wrongly("torn read", "saw half a turn", read);
    if (turn == null) continue;
    const author = byName.get(turn.last);
    if (author === undefined || author.call > read.end) {
      wrongly("impossible value", `saw ${turn.last}, which nobody had written`, read);
    }
    claim(turn.n, turn.last, read);
  }

  checkTimes(looks, new Set(surely), wrongly);
  checkHolds(surely, wrongly);
  return violations;
}

type Report = (wrong: Wrong, what: string, ...operations: Operation[]) => void;

/** Who begins after another has ended sees at least what that one saw, or wrote. */
function checkTimes(looks: Operation[], written: Set<Operation>, wrongly: Report): void {
  const known = (operation: Operation) => numberSeen(operation) + (written.has(operation) ? 1 : 0);
  const byEnd = [...looks].sort((a, b) => a.end - b.end);
  let before = 0;
  let newest: Operation | undefined;
  for (const look of [...looks].sort((a, b) => a.call - b.call)) {
    for (; before < byEnd.length && byEnd[before]!.end < look.call; before++) {
      if (newest === undefined || known(byEnd[before]!) > known(newest)) newest = byEnd[before]!;
    }
    if (newest === undefined || numberSeen(look) >= known(newest)) continue;
    const recovers = looks.some((later) => later.call > look.end && numberSeen(later) >= known(newest!));
    const what = `saw turn ${numberSeen(look)} after turn ${known(newest)}`;
    wrongly(recovers ? "stale read" : "lost update", what, newest, look);
  }
}

function checkHolds(turns: Operation[], wrongly: Report): void {
  const held = turns.filter(({ hold }) => hold !== undefined).sort((a, b) => a.hold![0] - b.hold![0]);
  let last: Operation | undefined;
  for (const turn of held) {
    if (last !== undefined && turn.hold![0] < last.hold![1]) {
      wrongly("lock overlap", `${turn.name} entered before ${last.name} had left`, last, turn);
    }
    if (last === undefined || turn.hold![1] > last.hold![1]) last = turn;
  }
}

function numberSeen({ seen }: Operation): number {
  return seen?.turn?.n ?? 0;
}
