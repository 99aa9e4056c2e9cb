// Finds the sessions of an owner, or one session, and ends them.

import { useRef, useState } from "preact/hooks";
import type { Found } from "../../protocol.ts";
import { end, find, type Query } from "../api.ts";
import { plural } from "../format.ts";
import { EndDialog, type Ending } from "./end-dialog.tsx";
import { Record } from "./record.tsx";
import { SessionList } from "./session-list.tsx";

interface Props {
  canList: boolean | undefined;
  /** By the store's clock. */
  now: number;
}

export function Finder({ canList, now }: Props) {
  const [kind, setKind] = useState<"owner" | "id">("owner");
  const [text, setText] = useState("");
  const [shown, setShown] = useState<{ query: Query; found: Found }>();
  const [message, setMessage] = useState("");
  const [error, setError] = useState("");
  const [ending, setEnding] = useState<Ending>();
  const heading = useRef<HTMLHeadingElement>(null);
  const latest = useRef(0);

  /** Shows what is found, unless something else was asked for meanwhile. `done`: what was done before. */
  async function look(query: Query, done = ""): Promise<void> {
    const turn = ++latest.current;
    setMessage(done);
    setError("");
    try {
      const found = await find(query);
      if (turn !== latest.current) return;
      setShown("none" in found ? undefined : { query, found });
      setMessage(`${done} ${inWords(query, found)}`.trim());
    } catch (error) {
      if (turn !== latest.current) return;
      setShown(undefined);
      setError((error as Error).message);
    }
  }

  /** The same, where what had the focus goes with what was shown before. */
  async function follow(query: Query): Promise<void> {
    await look(query);
    heading.current?.focus();
  }

  async function confirmEnd({ query }: Ending): Promise<void> {
    setEnding(undefined);
    try {
      const { ended } = await end(query);
      const done = ended === 0 ? "No session was there any more." : `${plural(ended, "session")} ended.`;
      if (shown) await look(shown.query, done);
    } catch (error) {
      setMessage("");
      setError((error as Error).message);
    }
    heading.current?.focus();
  }

  const submit = (event: Event) => {
    event.preventDefault();
    const wanted = text.trim();
    if (wanted !== "") look(kind === "owner" ? { owner: wanted } : { id: wanted });
  };
  const isImpossible = canList === false && kind === "owner";
  return (
    <aside class="finder" aria-labelledby="finder">
      <h2 id="finder" ref={heading} tabIndex={-1}>
        Find sessions
      </h2>
      <form class="card" onSubmit={submit}>
        <fieldset>
          <legend class="unseen">Find them by</legend>
          <Choice value="owner" label="Owner" chosen={kind} choose={setKind} />
          <Choice value="id" label="Session id" chosen={kind} choose={setKind} />
        </fieldset>
        <label class="unseen" for="wanted">
          {kind === "owner" ? "The owner, as the application names them" : "The session's public id"}
        </label>
        <div class="field">
          <input
            id="wanted"
            value={text}
            placeholder={kind === "owner" ? "ann@example.org" : "public id, as in logs"}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
          <button type="submit" disabled={isImpossible}>
            Find
          </button>
        </div>
        {isImpossible && (
          <p class="small">This store can't list sessions, so those of an owner can't be found. Find one by its id.</p>
        )}
        <p class="small" role="status">
          {message}
        </p>
        <p class="error" role="alert">
          {error}
        </p>
      </form>
      {shown ? (
        <Result {...shown} {...{ now, follow }} onEnd={setEnding} />
      ) : (
        <p class="empty">An owner’s sessions, or the record of one session, appear here. Their values never do.</p>
      )}
      {ending && <EndDialog ending={ending} onCancel={() => setEnding(undefined)} onConfirm={confirmEnd} />}
    </aside>
  );
}

interface ChoiceProps<Value extends string> {
  value: Value;
  label: string;
  chosen: Value;
  choose: (value: Value) => void;
}

function Choice<Value extends string>({ value, label, chosen, choose }: ChoiceProps<Value>) {
  return (
    <label>
      <input type="radio" name="kind" checked={chosen === value} onChange={() => choose(value)} />
      {label}
    </label>
  );
}

interface ResultProps {
  query: Query;
  found: Found;
  now: number;
  follow: (query: Query) => void;
  onEnd: (ending: Ending) => void;
}

function Result({ query, found, ...rest }: ResultProps) {
  if ("record" in found) return <Record {...rest} record={found.record} />;
  if ("sessions" in found && "owner" in query) return <SessionList {...rest} {...found} owner={query.owner} />;
  return null;
}

/** What was found, for the screen reader above all. */
function inWords(query: Query, found: Found): string {
  if ("record" in found) return "1 session found.";
  if ("sessions" in found) return `${found.more ? "More than " : ""}${plural(found.sessions.length, "session")} found.`;
  return "owner" in query ? `${query.owner} has no session.` : "There is no session with this id. It may have ended.";
}
