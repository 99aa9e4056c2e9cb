// Calls listeners.

/** Calls a listener. If it throws or rejects, the error becomes a warning, and neither the caller nor others notice. */
export function callListener<Args extends unknown[]>(listener: (...args: Args) => unknown, ...args: Args): void {
  try {
    const result = listener(...args);
    if (result instanceof Promise) result.catch(warn);
  } catch (error) {
    warn(error);
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
