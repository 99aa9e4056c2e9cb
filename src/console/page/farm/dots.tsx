// Draws the traffic of the farm, frame by frame. Nothing moves in a hidden page, or for those who want no motion.

import { useEffect, useRef } from "preact/hooks";
import { colourOf, type ServerView } from "../model.ts";
import { type Arrangement, type Curve, type Point, pointAt } from "./arrange.ts";
import { type Dot, type Flow, Traffic } from "./traffic.ts";

interface Props {
  arrangement: Arrangement;
  width: number;
  servers: readonly ServerView[];
  isStoreUp: boolean;
  /** False: no dot sets out. */
  isLive: boolean;
}

export function Dots(props: Props) {
  const ref = useRef<HTMLCanvasElement>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => animate(ref.current!, () => latest.current), []);
  return <canvas class="dots" ref={ref} />;
}

const noMotion = matchMedia("(prefers-reduced-motion: reduce)");
/** A page that was asleep goes on as if it had not been. */
const LONGEST_STEP_MS = 100;

/** Draws until the function that it returns is called. */
function animate(canvas: HTMLCanvasElement, latest: () => Props): () => void {
  const context = canvas.getContext("2d")!;
  const colours = coloursOf(canvas);
  const traffic = new Traffic();
  let frame = 0;
  let before = 0;
  const draw = (now: number) => {
    const props = latest();
    traffic.step(Math.min(now - before, LONGEST_STEP_MS), flowsOf(props));
    before = now;
    resize(canvas, props.width, props.arrangement.height);
    const scale = devicePixelRatio;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, props.width, props.arrangement.height);
    for (const dot of traffic.dots) drawDot(context, dot, props, colours);
    frame = requestAnimationFrame(draw);
  };
  const begin = () => {
    cancelAnimationFrame(frame);
    context.clearRect(0, 0, canvas.width, canvas.height);
    before = performance.now();
    if (!document.hidden && !noMotion.matches) frame = requestAnimationFrame(draw);
  };
  begin();
  document.addEventListener("visibilitychange", begin);
  noMotion.addEventListener("change", begin);
  return () => {
    cancelAnimationFrame(frame);
    document.removeEventListener("visibilitychange", begin);
    noMotion.removeEventListener("change", begin);
  };
}

function flowsOf({ servers, isStoreUp, isLive }: Props): Flow[] {
  return servers.map((server) => ({
    server: server.id,
    requests: isLive ? (server.rates?.requests ?? 0) : 0,
    storeShare:
      isStoreUp && server.storeUp && server.rates ? server.rates.storeCalls / (server.rates.requests || 1) : 0,
    isGone: server.status !== "up",
  }));
}

/** Each dot has a tail of two smaller ones. */
const TAIL = [
  { behind: 0, radius: 3.2, alpha: 1 },
  { behind: 0.07, radius: 2.4, alpha: 0.5 },
  { behind: 0.14, radius: 1.7, alpha: 0.25 },
];

function drawDot(context: CanvasRenderingContext2D, dot: Dot, props: Props, colours: Colours): void {
  const place = props.servers.findIndex(({ id }) => id === dot.server);
  if (place === -1) return;
  const { entry, toServers, toStore } = props.arrangement;
  const way = [entry, toServers[place]!, ...(dot.goesToStore ? [toStore[place]!] : [])];
  context.fillStyle = dot.strength < 1 ? colours.alarm : colours.servers[colourOf(props.servers[place]!) - 1]!;
  for (const { behind, radius, alpha } of TAIL) {
    const { x, y } = onWay(way, Math.max(0, dot.legs - behind));
    context.globalAlpha = alpha * Math.max(0, dot.strength);
    context.beginPath();
    context.arc(x, y, radius * (2 - dot.strength), 0, 2 * Math.PI);
    context.fill();
  }
}

/** The point after some legs of a way there and back. */
function onWay(way: readonly Curve[], legs: number): Point {
  const there = Math.min(legs, 2 * way.length - legs);
  const leg = Math.max(0, Math.min(way.length - 1, Math.floor(there)));
  return pointAt(way[leg]!, Math.max(0, Math.min(1, there - leg)));
}

function resize(canvas: HTMLCanvasElement, width: number, height: number): void {
  const [w, h] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
}

type Colours = ReturnType<typeof coloursOf>;

function coloursOf(canvas: HTMLCanvasElement) {
  const style = getComputedStyle(canvas);
  const servers = [1, 2, 3, 4, 5, 6].map((n) => style.getPropertyValue(`--server-${n}`).trim());
  return { servers, alarm: style.getPropertyValue("--alarm").trim() };
}
