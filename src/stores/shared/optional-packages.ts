// Imports the optional peer dependencies, each by a function of its own, so that a bundle has only those that it uses.

// Each import stands in a `try`. Elsewhere a package that is not installed is an error of the bundler; there it is optional.

export async function loadRedis(): Promise<typeof import("redis")> {
  try {
    return await import("redis");
  } catch (cause) {
    return rethrow(cause);
  }
}

export async function loadPg(): Promise<typeof import("pg")> {
  try {
    return await import("pg");
  } catch (cause) {
    return rethrow(cause);
  }
}

export async function loadMysql2(): Promise<typeof import("mysql2/promise")> {
  try {
    return await import("mysql2/promise");
  } catch (cause) {
    return rethrow(cause);
  }
}

export async function loadMssql(): Promise<{ default: typeof import("mssql") }> {
  try {
    return await import("mssql");
  } catch (cause) {
    return rethrow(cause);
  }
}

export async function loadCosmos(): Promise<typeof import("@azure/cosmos")> {
  try {
    return await import("@azure/cosmos");
  } catch (cause) {
    return rethrow(cause);
  }
}

export async function loadDataTables(): Promise<typeof import("@azure/data-tables")> {
  try {
    return await import("@azure/data-tables");
  } catch (cause) {
    return rethrow(cause);
  }
}

export async function loadAzureIdentity(): Promise<typeof import("@azure/identity")> {
  try {
    return await import("@azure/identity");
  } catch (cause) {
    return rethrow(cause);
  }
}

export async function loadXmlParser(): Promise<typeof import("fast-xml-parser")> {
  try {
    return await import("fast-xml-parser");
  } catch (cause) {
    return rethrow(cause);
  }
}

export async function loadConnectionString(): Promise<typeof import("@tediousjs/connection-string")> {
  try {
    return await import("@tediousjs/connection-string");
  } catch (cause) {
    return rethrow(cause);
  }
}

/** `importPeer` says what is missing. */
function rethrow(cause: unknown): never {
  throw cause;
}
