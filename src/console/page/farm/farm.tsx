// The drawing of the farm: browsers, balancer, servers and store, with the traffic between them.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { milliseconds, plural, rate, span } from "../format.ts";
import { colourOf, isGone, type ServerView, type View } from "../model.ts";
import { type Arrangement, arrange, type Box, pathOf } from "./arrange.ts";
import { Dots } from "./dots.tsx";

/** The drawing has room for so many servers. Of more it shows those with trouble, and says how many others there are. */
const MOST_SERVERS = 8;

interface FarmProps {
  view: View | undefined;
  /** False: the view is of a while ago, so nothing moves. */
  isLive: boolean;
}

export function Farm({ view, isLive }: FarmProps) {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const measure = () => setWidth(ref.current!.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, []);
  const { shown, hidden } = choose(view?.servers ?? []);
  // A farm of three is assumed until its servers are known, so that the page does not jump.
  const places = view ? Math.max(1, shown.length + Math.min(hidden, 1)) : 3;
  const arrangement = useMemo(() => arrange(width, places), [width, places]);
  return (
    <div
      class={`farm ${arrangement.shape}`}
      ref={ref}
      role="img"
      aria-label={describe(view)}
      style={{ height: `${arrangement.height}px` }}
    >
      {view && width > 0 && (
        <>
          <Lines arrangement={arrangement} servers={shown} isStoreUp={view.state.store.status === "up"} />
          <Dots {...{ arrangement, width, isLive }} servers={shown} isStoreUp={view.state.store.status === "up"} />
          <Place box={arrangement.browsers} title="Browsers" note={`${rate(view.rates?.requests)} / s`}>
            <path d="M5 10h38v28H5zM5 18h38M10 14h.1M15 14h.1" />
          </Place>
          <Place box={arrangement.balancer} title="Balancer">
            <path d="M24 8l16 16-16 16L8 24zM16 24h16M26 18l6 6-6 6" />
          </Place>
          {shown.map((server, i) => (
            <Server key={server.id} box={arrangement.servers[i]!} server={server} at={view.state.at} />
          ))}
          {shown.length === 0 && (
            <div class="node server lost" style={position(arrangement.servers[0]!)}>
              no server
            </div>
          )}
          {hidden > 0 && (
            <div class="node server more" style={position(arrangement.servers[shown.length]!)}>
              and {plural(hidden, "other server")}
            </div>
          )}
          <Place
            box={arrangement.store}
            title={view.state.store.name === "store" ? "Store" : view.state.store.name}
            note={view.state.store.status === "up" ? milliseconds(view.p50) : "down"}
            isDown={view.state.store.status === "down"}
          >
            <path d="M8 12c0-8 32-8 32 0v24c0 8-32 8-32 0zM8 12c0 8 32 8 32 0M8 24c0 8 32 8 32 0" />
          </Place>
        </>
      )}
    </div>
  );
}

function choose(servers: readonly ServerView[]): { shown: readonly ServerView[]; hidden: number } {
  if (servers.length <= MOST_SERVERS) return { shown: servers, hidden: 0 };
  const worstFirst = [...servers].sort((a, b) => rank(a) - rank(b) || a.number - b.number);
  const shown = worstFirst.slice(0, MOST_SERVERS - 1).sort((a, b) => a.number - b.number);
  return { shown, hidden: servers.length - shown.length };
}

/** Those with trouble come first, and last those that have stopped as they should. */
function rank({ status, storeUp }: ServerView): number {
  if (status === "stopped") return 2;
  return status === "up" && storeUp ? 1 : 0;
}

interface LinesProps {
  arrangement: Arrangement;
  servers: readonly ServerView[];
  isStoreUp: boolean;
}

/** The line after the last server is that of the others. */
const isUp = (server: ServerView | undefined): boolean => server === undefined || server.status === "up";

function Lines({ arrangement: { entry, toServers, toStore }, servers, isStoreUp }: LinesProps) {
  return (
    <svg class="lines" aria-hidden="true">
      <path d={pathOf(entry)} />
      {toServers.map((curve, i) => (
        <path key={`server-${i}`} d={pathOf(curve)} class={isUp(servers[i]) ? "" : "cut"} />
      ))}
      {toStore.map((curve, i) => {
        const isWhole = isStoreUp && isUp(servers[i]) && servers[i]?.storeUp !== false;
        return <path key={`store-${i}`} d={pathOf(curve)} class={isWhole ? "" : "cut"} />;
      })}
    </svg>
  );
}

interface PlaceProps {
  box: Box;
  title: string;
  note?: string;
  isDown?: boolean;
  children: ComponentChildren;
}

function Place({ box, title, note, isDown, children }: PlaceProps) {
  return (
    <div class={`node place ${isDown ? "down" : ""}`} style={position(box)}>
      <svg viewBox="0 0 48 48" aria-hidden="true">
        {children}
      </svg>
      <span>
        <strong>{title}</strong>
        {note !== undefined && <small>{note}</small>}
      </span>
    </div>
  );
}

function Server({ box, server, at }: { box: Box; server: ServerView; at: number }) {
  const isWell = server.status === "up" && server.storeUp;
  return (
    <div
      class={`node server ${server.status} ${isWell ? "" : "ill"}`}
      style={position(box)}
      data-colour={colourOf(server)}
    >
      <span class="disc">{server.number}</span>
      <span>
        <strong>{server.name}</strong>
        <small>{stateOf(server, at)}</small>
      </span>
    </div>
  );
}

function stateOf({ status, storeUp, rates, seenAt }: ServerView, at: number): string {
  if (status === "lost") return `lost ${span(at - seenAt)} ago`;
  if (status === "stopped") return `stopped ${span(at - seenAt)} ago`;
  if (status === "late") return `late by ${span(at - seenAt)}`;
  return storeUp ? `${rate(rates?.requests)} / s` : "no store";
}

function position({ x, y, width, height }: Box) {
  return { left: `${x - width / 2}px`, top: `${y - height / 2}px`, width: `${width}px`, height: `${height}px` };
}

function describe(view: View | undefined): string {
  if (view === undefined) return "The farm. It is not known yet.";
  const { servers, state } = view;
  const gone = servers.filter(isGone).length;
  return `The farm: browsers, a balancer, ${plural(servers.length, "server")}${gone > 0 ? `, ${gone} of them gone` : ""}, and the store ${state.store.name}, which is ${state.store.status}.`;
}
