// Refuses versions of Fastify that are too old.

import { CoatcheckError } from "../../index.ts";
import { isOlder } from "../../util/versions.ts";

/** The first version with `request.routeOptions`. */
const OLDEST = "4.10";

/** The error for a version that is too old, or undefined. */
export function versionError(version: string): CoatcheckError | undefined {
  if (!isOlder(version, OLDEST)) return undefined;
  return new CoatcheckError(
    "COATCHECK_PEER",
    `coatcheck: this adapter needs version ${OLDEST} or later of the package "fastify", but version ${version} is installed: npm install fastify@latest`,
  );
}
