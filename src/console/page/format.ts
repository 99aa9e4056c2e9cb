// Numbers and times as texts. Widths change as little as possible, so that nothing jumps.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact" });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const UNKNOWN = "–";

export const count = (value: number | undefined): string => (value === undefined ? UNKNOWN : whole.format(value));

/** Of a chart's scale: "800", "1.5K", "2M". */
export const scaleCount = (value: number): string => short.format(value);

/** So many a second. */
export function rate(value: number | undefined): string {
  if (value === undefined) return UNKNOWN;
  return value >= 9.95 || value === 0 ? whole.format(value) : value < 0.1 ? "< 0.1" : tenths.format(value);
}

export function milliseconds(value: number | undefined): string {
  if (value === undefined) return UNKNOWN;
  if (value === 0) return "0 ms";
  if (value >= 1_000) return `${tenths.format(value / 1000)} s`;
  return `${value < 1 ? value.toFixed(2) : value < 99.95 ? tenths.format(value) : whole.format(value)} ms`;
}

/** A share of all, in percent. */
export function percent(part: number, all: number): string {
  return all === 0 ? UNKNOWN : `${tenths.format((100 * part) / all)} %`;
}

export function bytes(value: number): string {
  return value < 1000 ? `${value} bytes` : `${tenths.format(value / 1000)} KB`;
}

/** One of two words by a number, with it: "1 server", "3 servers". */
export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** A span of milliseconds: "12 s", "5 min", "3 h", "2 days". */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
const clock = new Intl.DateTimeFormat("en", CLOCK);
const dayAndClock = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric", ...CLOCK });

export const timeOfDay = (instant: number): string => clock.format(instant);

export const moment = (instant: number): string => dayAndClock.format(instant);
