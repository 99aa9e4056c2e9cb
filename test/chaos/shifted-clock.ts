// Shifts the clock of this process.
let shift = 0;

/** Shifts `Date` by this many milliseconds, as if the clock had been set. Timers are not affected. */
export function shiftClock(milliseconds: number): void {
  shift = milliseconds;
  globalThis.Date = ShiftedDate as DateConstructor;
}

const RealDate = Date;

const ShiftedDate = new Proxy(RealDate, {
  construct: (_, args: [], newTarget) =>
    Reflect.construct(RealDate, args.length === 0 ? [RealDate.now() + shift] : args, newTarget) as object,
  apply: () => new RealDate(RealDate.now() + shift).toString(),
  get: (target, name, receiver) =>
    name === "now" ? () => RealDate.now() + shift : Reflect.get(target, name, receiver),
});
