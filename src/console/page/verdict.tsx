// The first thing to read: whether all is well, and what to do if not.

import type { Connection } from "./connection.ts";
import { findings } from "./findings.ts";
import type { View } from "./model.ts";

export function Verdict({ connection, view }: { connection: Connection; view: View | undefined }) {
  const [worst, ...others] = findings(connection, view);
  return (
    <div class="verdict" data-level={worst!.level}>
      <svg class="logo" viewBox="0 0 64 48" aria-hidden="true">
        <path d="M32 20v-3a7 7 0 1 1 7-7M32 20 60 40c3 2 2 6-2 6H6c-4 0-5-4-2-6Z" />
      </svg>
      <div class="name">
        <h1>{view?.state.application ?? "Sessions"}</h1>
        <p class={`link ${connection.status}`}>
          <span class="lamp" aria-hidden="true" />
          {linkOf(connection, view)}
        </p>
      </div>
      <div class="finding" role="status">
        <h2>{worst!.what}</h2>
        <p>{worst!.advice}</p>
        {others.length > 0 && (
          <ul>
            {others.map(({ what, advice, level }) => (
              <li key={what} data-level={level}>
                <strong>{what}</strong> {advice}
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

function linkOf({ status }: Connection, view: View | undefined): string {
  if (status === "broken") return "Connecting again";
  if (status === "refused") return "Refused";
  if (view === undefined) return "Connecting";
  const sender = view.servers.find(({ id }) => id === view.state.sender);
  return sender ? `Live from ${sender.name}` : "Live";
}
