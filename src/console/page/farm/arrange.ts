// Where the parts of the farm stand in its drawing, and the lines between them.

export interface Point {
  x: number;
  y: number;
}

/** A part, by its middle. */
export interface Box extends Point {
  width: number;
  height: number;
}

/** A cubic Bézier curve: from, two controls, to. */
export type Curve = readonly [Point, Point, Point, Point];

/** `compact`: from left to right, with servers of one line each. */
export type Shape = "narrow" | "wide" | "compact";

export interface Arrangement {
  shape: Shape;
  height: number;
  browsers: Box;
  balancer: Box;
  servers: readonly Box[];
  store: Box;
  /** From the browsers to the balancer. */
  entry: Curve;
  /** From the balancer to each server. */
  toServers: readonly Curve[];
  /** From each server to the store. */
  toStore: readonly Curve[];
}

const PLACE = { width: 104, height: 92 };
const WIDE = 640;

/** In a box of this width: from left to right where there is room, else from top to bottom. */
export function arrange(width: number, servers: number): Arrangement {
  return width >= WIDE ? inColumns(width, servers) : inRows(width, servers);
}

function inColumns(width: number, count: number): Arrangement {
  const shape: Shape = count > 5 ? "compact" : "wide";
  const card = { width: Math.min(250, width * 0.27), height: shape === "compact" ? 36 : 54 };
  const pitch = card.height + (shape === "compact" ? 8 : 12);
  const height = Math.max(204, count * pitch + 12);
  const middle = height / 2;
  const browsers = { ...PLACE, x: PLACE.width / 2, y: middle };
  const balancer = { ...PLACE, x: width * 0.3, y: middle };
  const store = { ...PLACE, x: width - PLACE.width / 2, y: middle };
  const first = middle - ((count - 1) * pitch) / 2;
  const boxes = Array.from({ length: count }, (_, i) => ({ ...card, x: width * 0.61, y: first + i * pitch }));
  const across = (from: Box, to: Box): Curve => {
    const [start, end] = [
      { x: from.x + from.width / 2, y: from.y },
      { x: to.x - to.width / 2, y: to.y },
    ];
    const bend = (end.x - start.x) / 2;
    return [start, { x: start.x + bend, y: start.y }, { x: end.x - bend, y: end.y }, end];
  };
  return {
    shape,
    height,
    browsers,
    balancer,
    servers: boxes,
    store,
    ...curves(across, browsers, balancer, boxes, store),
  };
}

function inRows(width: number, count: number): Arrangement {
  const columns = Math.min(3, count);
  const gap = 8;
  const card = { width: Math.min(150, (width - gap * (columns - 1)) / columns), height: 62 };
  const rows = Math.ceil(count / columns);
  const row = { width: 170, height: 48 };
  const top = row.height * 2 + 74;
  const bottom = top + rows * (card.height + gap) + 34;
  const height = bottom + row.height;
  const middle = width / 2;
  const browsers = { ...row, x: middle, y: row.height / 2 };
  const balancer = { ...row, x: middle, y: row.height * 1.5 + 30 };
  const store = { ...row, x: middle, y: bottom + row.height / 2 };
  const boxes = Array.from({ length: count }, (_, i) => {
    const inRow = Math.min(columns, count - Math.floor(i / columns) * columns);
    const x = middle + ((i % columns) - (inRow - 1) / 2) * (card.width + gap);
    return { ...card, x, y: top + Math.floor(i / columns) * (card.height + gap) + card.height / 2 };
  });
  const down = (from: Box, to: Box): Curve => {
    const [start, end] = [
      { x: from.x, y: from.y + from.height / 2 },
      { x: to.x, y: to.y - to.height / 2 },
    ];
    const bend = (end.y - start.y) / 2;
    return [start, { x: start.x, y: start.y + bend }, { x: end.x, y: end.y - bend }, end];
  };
  return {
    shape: "narrow",
    height,
    browsers,
    balancer,
    servers: boxes,
    store,
    ...curves(down, browsers, balancer, boxes, store),
  };
}

function curves(
  join: (from: Box, to: Box) => Curve,
  browsers: Box,
  balancer: Box,
  servers: readonly Box[],
  store: Box,
) {
  return {
    entry: join(browsers, balancer),
    toServers: servers.map((server) => join(balancer, server)),
    toStore: servers.map((server) => join(server, store)),
  };
}

/** The point of a curve at `t`, from 0 to 1. */
export function pointAt([a, b, c, d]: Curve, t: number): Point {
  const s = 1 - t;
  const mix = (of: "x" | "y") => s ** 3 * a[of] + 3 * s ** 2 * t * b[of] + 3 * s * t ** 2 * c[of] + t ** 3 * d[of];
  return { x: mix("x"), y: mix("y") };
}

/** A curve as the data of an SVG path. */
export function pathOf([a, b, c, d]: Curve): string {
  return `M${a.x} ${a.y}C${b.x} ${b.y} ${c.x} ${c.y} ${d.x} ${d.y}`;
}
