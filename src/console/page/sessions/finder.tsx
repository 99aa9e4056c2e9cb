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
  const [asked, setAsked] = useState<Query>();
  const [found, setFound] = useState<Found>();
  const [message, setMessage] = useState("");
  const [error, setError] = useState("");
  const [ending, setEnding] = useState<Ending>();
  const heading = useRef<HTMLHeadingElement>(null);
  const latest = useRef(0);

  /** Shows what is found, unless something else was asked for meanwhile. */
  async function look(query: Query): Promise<void> {
    const turn = ++latest.current;
    setAsked(query);
    try {
      const answer = await find(query);
      if (turn !== latest.current) return;
      setFound(answer);
      setError("");
    } catch (error) {
      if (turn === latest.current) setError((error as Error).message);
    }
  }

  async function confirmEnd({ query }: Ending): Promise<void> {
    setEnding(undefined);
    try {
      const { ended } = await end(query);
      setMessage(ended === 0 ? "No session was there any more." : `${plural(ended, "session")} ended.`);
      if (asked) await look(asked);
    } catch (error) {
      setError((error as Error).message);
    }
    // What had the focus is gone with its session.
    heading.current?.focus();
  }

  const submit = (event: Event) => {
    event.preventDefault();
    setMessage("");
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
      {found && asked ? (
        <Result {...{ found, asked, now, look }} onEnd={setEnding} />
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
  found: Found;
  asked: Query;
  now: number;
  look: (query: Query) => void;
  onEnd: (ending: Ending) => void;
}

function Result({ found, asked, now, look, onEnd }: ResultProps) {
  if ("record" in found) return <Record {...{ now, onEnd }} record={found.record} />;
  if ("sessions" in found && found.sessions.length > 0 && "owner" in asked) {
    return <SessionList {...{ now, look, onEnd }} owner={asked.owner} sessions={found.sessions} more={found.more} />;
  }
  return (
    <p class="empty card">
      {"owner" in asked ? `${asked.owner} has no session.` : "There is no session with this id. It may have ended."}
    </p>
  );
}
