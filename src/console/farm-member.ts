// The part that a server takes in its farm: one for each `createSessions`, however often it is asked for.

import { type Internals, internalsOf } from "../management/internals.ts";
import { Reporter } from "./reporter.ts";

interface Member {
  readonly reporter: Reporter;
  users: number;
}

const members = new WeakMap<Internals, Member>();

export interface FarmMember {
  readonly reporter: Reporter;
  /** The server takes its leave when all who have asked for it have called this. */
  leave(): Promise<void>;
}

/** `name` counts if this is the first call. @throws OptionError */
export function joinFarm(sessions: object, name: string | undefined): FarmMember {
  const internals = internalsOf(sessions);
  const member = members.get(internals) ?? begin(internals, name);
  member.users++;
  let hasLeft = false;
  return {
    reporter: member.reporter,
    async leave() {
      if (hasLeft) return;
      hasLeft = true;
      if (--member.users === 0) await end(internals, member);
    },
  };
}

function begin(internals: Internals, name: string | undefined): Member {
  const member = { reporter: new Reporter(internals, name), users: 0 };
  members.set(internals, member);
  internals.closers.add(member.reporter.stop);
  return member;
}

function end(internals: Internals, { reporter }: Member): Promise<void> {
  members.delete(internals);
  internals.closers.delete(reporter.stop);
  return reporter.stop();
}
