import { CoatcheckError } from "../errors.ts";

/**
 * Loads an optional peer dependency on first use: `await importPeer("redis", () => import("redis"))`.
 * `who` needs it, for the message.
 * @throws CoatcheckError with the install command, if the package is missing.
 */
export async function importPeer<Module>(
  name: string,
  load: () => Promise<Module>,
  who = "this store",
): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new CoatcheckError("COATCHECK_PEER", `coatcheck: ${who} needs the package "${name}": npm install ${name}`, {
      cause,
    });
  }
}
