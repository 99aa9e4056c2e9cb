// The drawing of the farm: browsers, balancer, servers and store, with the traffic between them.

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { milliseconds, plural, rate } from "../format.ts";
import { isGone, type ServerView, type View } from "../model.ts";
import { arrange } from "./arrange.ts";
import { Dots } from "./dots.tsx";
import { Lines, Place, position, Server } from "./parts.tsx";

/** The drawing has room for this many servers. Of more it shows those with trouble, and says how many others there are. */
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

function describe(view: View | undefined): string {
  if (view === undefined) return "The farm. It is not known yet.";
  const { servers, state } = view;
  const gone = servers.filter(isGone).length;
  return `The farm: browsers, a balancer, ${plural(servers.length, "server")}${gone > 0 ? `, ${gone} of them gone` : ""}, and the store ${state.store.name}, which is ${state.store.status}.`;
}
