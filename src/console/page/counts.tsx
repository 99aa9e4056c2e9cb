// What was counted in the last five minutes.

import { count, milliseconds, percent, UNKNOWN } from "./format.ts";
import type { View } from "./model.ts";

export function Counts({ view }: { view: View | undefined }) {
  return (
    <section class="counts" aria-labelledby="counts">
      <h2 id="counts">In the last five minutes</h2>
      <div class="lists">
        {groupsOf(view).map(({ title, rows }) => (
          <div key={title} class="card">
            <h3>{title}</h3>
            <dl>
              {rows.map(({ name, value, isBad }) => (
                <div key={name} class={isBad ? "bad" : ""}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </div>
        ))}
      </div>
    </section>
  );
}

interface Row {
  name: string;
  value: string;
  isBad?: boolean;
}

function groupsOf(view: View | undefined): { title: string; rows: Row[] }[] {
  const recent = view?.recent;
  const row = (name: string, value: number | undefined): Row => ({ name, value: count(value) });
  const fault = (name: string, value: number | undefined): Row => ({ ...row(name, value), isBad: (value ?? 0) > 0 });
  return [
    {
      title: "Sessions",
      rows: [
        row("Begun", recent?.started),
        row("Ended by their user", recent?.destroyed),
        row("Expired", recent?.expired),
        row("Revoked", recent?.revoked),
        row("Given a new ticket", recent?.replaced),
      ],
    },
    {
      title: "Requests at the same time",
      rows: [
        row("Conflicts, tried again", recent?.conflicts),
        row("Dropped: session ended", recent?.gone),
        row("Waits for a lock", recent?.waits),
        { name: "Average wait", value: recent?.waits ? milliseconds(recent.waited / recent.waits) : UNKNOWN },
      ],
    },
    {
      title: "Store and tickets",
      rows: [
        row("Round trips", recent?.storeCalls),
        fault("Failed", recent?.storeErrors),
        { name: "Found in the cache", value: percent(recent?.cacheHits ?? 0, (recent?.cacheHits ?? 0) + (recent?.cacheMisses ?? 0)) }, // biome-ignore format: one line
        row("Forged tickets", recent?.forged),
        fault("Can't be opened", recent?.unreadable),
      ],
    },
  ];
}
