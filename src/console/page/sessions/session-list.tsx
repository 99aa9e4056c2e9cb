// The sessions of one owner.

import type { SessionView } from "../../protocol.ts";
import type { Query } from "../api.ts";
import { span } from "../format.ts";
import type { Ending } from "./end-dialog.tsx";

interface Props {
  owner: string;
  sessions: readonly SessionView[];
  /** There are more than these. */
  more: boolean;
  now: number;
  /** Shows what this finds in place of the list. */
  follow: (query: Query) => void;
  onEnd: (ending: Ending) => void;
}

export function SessionList({ owner, sessions, more, now, follow, onEnd }: Props) {
  return (
    <section class="card sessions" aria-labelledby="owner">
      <header>
        <h3 id="owner">{owner}</h3>
        <button
          type="button"
          class="danger"
          onClick={() => onEnd({ query: { owner }, what: `all sessions of ${owner}` })}
        >
          End all
        </button>
      </header>
      <ul>
        {sessions.map((session) => (
          <li key={session.id}>
            <div>
              <strong>{deviceOf(session)}</strong>
              <span class="small">{[session.client?.address, lastSeen(session, now)].filter(Boolean).join(" · ")}</span>
            </div>
            <button
              type="button"
              class="plain"
              aria-label={`Record of ${deviceOf(session)}`}
              onClick={() => follow({ id: session.id })}
            >
              Record
            </button>
            <button
              type="button"
              class="plain danger"
              aria-label={`End ${deviceOf(session)}`}
              onClick={() => onEnd({ query: { id: session.id }, what: `the session on ${deviceOf(session)}` })}
            >
              End
            </button>
          </li>
        ))}
      </ul>
      {more && <p class="small">Only the first ones are shown. “End all” ends the others, too.</p>}
    </section>
  );
}

export const deviceOf = ({ client }: SessionView): string => client?.label ?? "an unknown device";

const lastSeen = ({ lastSeenAt }: SessionView, now: number): string =>
  lastSeenAt === undefined ? "" : `${span(now - lastSeenAt)} ago`;
