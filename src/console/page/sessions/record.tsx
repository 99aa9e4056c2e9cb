// The record of one session: what is known of it without its values, and what a stranger would see in the store.

import type { ComponentChildren } from "preact";
import type { RecordView } from "../../protocol.ts";
import type { Query } from "../api.ts";
import { bytes, moment, span } from "../format.ts";
import type { Ending } from "./end-dialog.tsx";
import { deviceOf } from "./session-list.tsx";

interface Props {
  record: RecordView;
  now: number;
  /** Shows what this finds in place of the record. */
  follow: (query: Query) => void;
  onEnd: (ending: Ending) => void;
}

export function Record({ record, now, follow, onEnd }: Props) {
  const { id, owner, client, keys, stranger } = record;
  return (
    <section class="ticket" aria-label={`The session ${id}`}>
      <header>
        <h3>Session</h3>
        <p class="number">{id.slice(0, 6)}</p>
      </header>
      <dl>
        <Fact name="Id">
          <code>{id}</code>
        </Fact>
        <Fact name="Owner">{owner ?? "nobody has signed in"}</Fact>
        <Fact name="Device">{deviceOf(record)}</Fact>
        {client?.address !== undefined && <Fact name="Address">{client.address}</Fact>}
        <Instant name="Begun" instant={record.createdAt} />
        <Instant name="Signed in" instant={record.authenticatedAt} />
        {record.lastSeenAt !== undefined && <Fact name="Last seen">{span(now - record.lastSeenAt)} ago</Fact>}
        <Instant name="Ends" instant={record.expiresAt} />
        <Fact name="Size">{bytes(record.size)}</Fact>
        <Fact name="Keys">
          {keys === undefined ? (
            "Sealed: it takes its browser's ticket to open it, or another secret."
          ) : (
            <Names names={keys} />
          )}
        </Fact>
      </dl>
      <div class="stranger">
        <h4>What a stranger sees in the store</h4>
        <dl>
          <Fact name="Key">
            <code>{stranger.key}</code>
          </Fact>
          <Fact name="Owner">{stranger.owner === undefined ? "none" : <code>{stranger.owner}</code>}</Fact>
          <Fact name="Value">
            {stranger.bytes === undefined ? (
              "It is not encrypted, so it is not shown here. A stranger reads all of it."
            ) : (
              <code>{stranger.bytes.replace(/..(?=.)/g, "$& ")} …</code>
            )}
          </Fact>
        </dl>
      </div>
      <footer>
        {owner !== undefined && (
          <button type="button" class="plain" onClick={() => follow({ owner })}>
            All of this owner
          </button>
        )}
        <button type="button" class="danger" onClick={() => onEnd({ query: { id }, what: `the session ${id}` })}>
          End this session
        </button>
      </footer>
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Instant({ name, instant }: { name: string; instant: number | undefined }) {
  if (instant === undefined) return null;
  return (
    <Fact name={name}>
      <time dateTime={new Date(instant).toISOString()}>{moment(instant)}</time>
    </Fact>
  );
}

function Names({ names }: { names: readonly string[] }) {
  if (names.length === 0) return <>none</>;
  return (
    <ul class="keys">
      {names.map((name) => (
        <li key={name}>{name}</li>
      ))}
    </ul>
  );
}
