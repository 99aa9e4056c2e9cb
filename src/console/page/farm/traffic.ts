// The dots that move through the drawing of the farm: a sample of the requests, few however many there are.

/** Requests that go through one server. */
export interface Flow {
  server: string;
  /** In a second. */
  requests: number;
  /** The share of them that call the store, from 0 to 1. */
  storeShare: number;
  /** A dot on its way to a server that is gone fades away. */
  isGone: boolean;
}

export interface Dot {
  server: string;
  goesToStore: boolean;
  /** How far it has come, in legs: browsers, balancer, server, store, and the same way back. */
  legs: number;
  /** 1, and less while it fades away. */
  strength: number;
}

export const MOST_DOTS = 60;
const LEG_MS = 420;
const FADE_MS = 700;

export class Traffic {
  readonly dots: Dot[] = [];
  readonly #random: () => number;
  /** Dots that are due to set out. */
  #due = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Moves on by some milliseconds. */
  step(ms: number, flows: readonly Flow[]): void {
    const gone = new Set(flows.filter(({ isGone }) => isGone).map(({ server }) => server));
    const known = new Set(flows.map(({ server }) => server));
    for (const dot of this.dots) {
      if (gone.has(dot.server) || !known.has(dot.server)) dot.strength -= ms / FADE_MS;
      else dot.legs += ms / LEG_MS;
    }
    remove(this.dots, ({ legs, goesToStore, strength }) => legs >= (goesToStore ? 6 : 4) || strength <= 0);
    const requests = flows.reduce((sum, flow) => sum + flow.requests, 0);
    this.#due = Math.min(this.#due + (dotsPerSecond(requests) * ms) / 1000, 2);
    while (this.#due >= 1) {
      // Uneven, as requests are.
      this.#due -= 0.5 + this.#random();
      if (this.dots.length < MOST_DOTS) this.dots.push(this.#next(flows, requests));
    }
  }

  #next(flows: readonly Flow[], requests: number): Dot {
    let place = this.#random() * requests;
    const flow = flows.find(({ requests }) => {
      place -= requests;
      return place < 0;
    })!;
    return { server: flow.server, goesToStore: this.#random() < flow.storeShare, legs: 0, strength: 1 };
  }
}

/** Few requests are a dot each. Of many it is a sample that grows with their logarithm. */
export function dotsPerSecond(requests: number): number {
  return Math.min(requests, 2.5 * Math.log(1 + requests), 20);
}

function remove<Item>(items: Item[], isDone: (item: Item) => boolean): void {
  for (let i = items.length - 1; i >= 0; i--) if (isDone(items[i]!)) items.splice(i, 1);
}
