// The parts of the drawing of the farm.

import type { ComponentChildren } from "preact";
import { rate, span } from "../format.ts";
import { colourOf, type ServerView } from "../model.ts";
import { type Arrangement, type Box, pathOf } from "./arrange.ts";

interface LinesProps {
  arrangement: Arrangement;
  servers: readonly ServerView[];
  isStoreUp: boolean;
}

/** The line after the last server is that of the others. */
const isUp = (server: ServerView | undefined): boolean => server === undefined || server.status === "up";

export function Lines({ arrangement: { entry, toServers, toStore }, servers, isStoreUp }: LinesProps) {
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

export function Place({ box, title, note, isDown, children }: PlaceProps) {
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

export function Server({ box, server, at }: { box: Box; server: ServerView; at: number }) {
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
  if (status === "late") return `silent for ${span(at - seenAt)}`;
  return storeUp ? `${rate(rates?.requests)} / s` : "no store";
}

export function position({ x, y, width, height }: Box) {
  return { left: `${x - width / 2}px`, top: `${y - height / 2}px`, width: `${width}px`, height: `${height}px` };
}
