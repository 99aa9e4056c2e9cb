// What somebody on duty has to know, the worst first, and what to do about it.

import type { Connection } from "./connection.ts";
import { plural, timeOfDay } from "./format.ts";
import { isGone, type ServerView, type View } from "./model.ts";

export interface Finding {
  level: "bad" | "warning" | "good";
  what: string;
  advice: string;
}

/** Has at least one. Their texts hold no number that changes by itself: a screen reader reads them when they change. */
export function findings(connection: Connection, view: View | undefined): Finding[] {
  const ofLink = ofConnection(connection, view);
  if (view === undefined) return ofLink.length > 0 ? ofLink : [WAITING];
  const found = [...ofLink, ...ofStore(view), ...ofServers(view), ...ofCounts(view)].sort(
    (a, b) => Number(b.level === "bad") - Number(a.level === "bad"),
  );
  return found.length > 0 ? found : [view.rates?.requests === 0 ? quiet(view) : allIsWell(view)];
}

const WAITING: Finding = {
  level: "warning",
  what: "Waiting for the first figures.",
  advice: "They come about once a second.",
};

function ofConnection(connection: Connection, view: View | undefined): Finding[] {
  switch (connection.status) {
    case "live":
    case "connecting":
      return [];
    case "refused":
      return [
        {
          level: "bad",
          what: "This console is closed to you.",
          advice: "Sign in to the application as somebody who may see it. The page then goes on by itself.",
        },
      ];
    case "broken":
      return [
        {
          level: "bad",
          what: "The connection to the console is broken.",
          advice: `The page connects again by itself.${view ? ` Its figures are those of ${timeOfDay(view.state.at)}.` : ""}`,
        },
      ];
  }
}

function ofStore({ state: { store } }: View): Finding[] {
  if (store.status === "up") return [];
  const { reason = "it does not answer" } = store;
  return [
    {
      level: "bad",
      what: `${titleOf(store)} is down since ${timeOfDay(store.since)}.`,
      advice: `${reason[0]?.toUpperCase()}${reason.slice(1)}. Check that it runs and that the servers reach it. They try again by themselves; until then the figures of other servers stand still.`,
    },
  ];
}

/** Of a store that does not say what it is, the name is "store". */
const titleOf = ({ name }: View["state"]["store"]): string => (name === "store" ? "The store" : `The store ${name}`);

function ofServers({ state, servers }: View): Finding[] {
  // Servers report through the store: while it is down, nothing new is known of them.
  if (state.store.status === "down") return [];
  const found: Finding[] = [];
  if (!servers.some((server) => !isGone(server))) {
    const advice = "A server that runs reports by console() or report() of coatcheck/console.";
    found.push({ level: "bad", what: "No server reports.", advice });
  }
  const lost = servers.filter(({ status }) => status === "lost");
  if (lost.length > 0) {
    found.push({
      level: "bad",
      what: `${names(lost)} stopped without a word at ${timeOfDay(Math.min(...lost.map(({ seenAt }) => seenAt)))}.`,
      advice: "Its process has died, or can't reach the store. No session is lost with it: the store has them all.",
    });
  }
  const late = servers.filter(({ status }) => status === "late");
  if (late.length > 0) {
    const advice = "If it stays so, its process hangs, or can't reach the store.";
    found.push({ level: "warning", what: `${names(late)} should have reported.`, advice });
  }
  const cutOff = servers.filter((server) => !isGone(server) && !server.storeUp);
  if (cutOff.length > 0) {
    found.push({
      level: "bad",
      what: `${names(cutOff)} can't reach the store.`,
      advice: "Other servers can. Check the network between the two.",
    });
  }
  return found;
}

function ofCounts({ state, rates, recent }: View): Finding[] {
  const found: Finding[] = [];
  if (state.store.status === "up" && (rates?.storeErrors ?? 0) > 0) {
    const advice = "Each is tried again where that is safe. The servers' logs name the errors.";
    found.push({ level: "warning", what: "Some calls to the store fail.", advice });
  }
  if (recent.unreadable > 0) {
    const advice = "Somebody wrote to the store, or servers have different secrets. Their users have to sign in again.";
    found.push({ level: "warning", what: "Some sessions can't be opened.", advice });
  }
  return found;
}

function allIsWell({ servers }: View): Finding {
  const present = servers.filter((server) => !isGone(server)).length;
  return {
    level: "good",
    what: "Everything works.",
    advice: `${plural(present, "server reports", "servers report")}, and the store answers.`,
  };
}

function quiet(view: View): Finding {
  return { ...allIsWell(view), what: "Everything works, and no request comes in." };
}

function names(servers: readonly ServerView[]): string {
  const [first, second] = servers.map(({ name }) => name);
  if (servers.length <= 2) return servers.length === 1 ? first! : `${first} and ${second}`;
  return `${first} and ${servers.length - 1} other servers`;
}
