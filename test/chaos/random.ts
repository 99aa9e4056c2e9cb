// Random numbers from a seed.
/** Pseudo-random numbers, which are the same for the same seed. */
export interface Random {
  /** A number from 0 to less than 1. */
  (): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** Milliseconds up to `high`. Short pauses are more frequent. */
  pause(high: number): number;
  pick<Item>(items: readonly Item[]): Item;
  /** One of the names, with a probability by its weight. */
  weighted<Name extends string>(weights: { readonly [key in Name]?: number }): Name;
}

/** Different streams of one seed give different numbers. */
export function randomFrom(seed: number, stream = 0): Random {
  let state = (seed ^ Math.imul(stream + 1, 0x9e3779b1)) | 0;
  // Mulberry32.
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  return Object.assign(random, {
    between,
    pause: (high: number) => Math.round(high * random() ** 3),
    pick: <Item>(items: readonly Item[]) => items[between(0, items.length - 1)]!,
    weighted<Name extends string>(weights: { readonly [key in Name]?: number }): Name {
      const entries = Object.entries(weights) as [Name, number][];
      let rest = random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [name, weight] of entries) {
        rest -= weight;
        if (rest < 0) return name;
      }
      return entries.at(-1)![0];
    },
  });
}
