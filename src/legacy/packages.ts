// Imports the packages that open their own seals, each by a function of its own, so that a bundle has only those it uses.

// Each import stands in a `try`. Elsewhere a package that is not installed is an error of the bundler; there it is optional.

export async function loadIronSession(): Promise<typeof import("iron-session")> {
  try {
    return await import("iron-session");
  } catch (cause) {
    return rethrow(cause);
  }
}

export async function loadH3(): Promise<typeof import("h3")> {
  try {
    return await import("h3");
  } catch (cause) {
    return rethrow(cause);
  }
}

/** `importPeer` says what is missing. */
function rethrow(cause: unknown): never {
  throw cause;
}
