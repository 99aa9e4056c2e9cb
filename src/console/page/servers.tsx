// The servers of the farm, one by one.

import { count, milliseconds, percent, rate, span } from "./format.ts";
import { colourOf, isGone, type ServerView, type View } from "./model.ts";

export function Servers({ view }: { view: View | undefined }) {
  return (
    <section aria-labelledby="servers">
      <h2 id="servers">Servers</h2>
      {view?.servers.length === 0 && <p class="empty card">No server reports.</p>}
      {view !== undefined && view.servers.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached with the keyboard
        <section class="scroll card" tabIndex={0} aria-label="The servers, one in a line">
          <table>
            <thead>
              <tr>
                <th scope="col">Server</th>
                <th scope="col">State</th>
                {COLUMNS.map(({ name }) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {view.servers.map((server) => (
                <tr key={server.id} class={isGone(server) ? "gone" : ""}>
                  <th scope="row" data-colour={colourOf(server)}>
                    <span class="disc">{server.number}</span>
                    {server.name}
                  </th>
                  <td class={isGone(server) || !server.storeUp ? "bad" : ""}>{stateOf(server, view.state.at)}</td>
                  {COLUMNS.map(({ name, value }) => (
                    <td key={name}>{value(server)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}

function stateOf({ status, storeUp, startedAt, seenAt }: ServerView, at: number): string {
  if (status === "up") return storeUp ? `up for ${span(at - startedAt)}` : "no store";
  return `${status} ${span(at - seenAt)}`;
}

const COLUMNS: readonly { name: string; value: (server: ServerView) => string }[] = [
  { name: "Requests / s", value: ({ rates }) => rate(rates?.requests) },
  { name: "p50", value: ({ p50 }) => milliseconds(p50) },
  { name: "p99", value: ({ p99 }) => milliseconds(p99) },
  { name: "Calls / s", value: ({ rates }) => rate(rates?.storeCalls) },
  { name: "Errors / s", value: ({ rates }) => rate(rates?.storeErrors) },
  { name: "Conflicts / s", value: ({ rates }) => rate(rates?.conflicts) },
  { name: "Waits / s", value: ({ rates }) => rate(rates?.waits) },
  { name: "Cache", value: ({ totals: { cacheHits, cacheMisses } }) => percent(cacheHits, cacheHits + cacheMisses) },
  { name: "Forged", value: ({ totals }) => count(totals.forged) },
];
