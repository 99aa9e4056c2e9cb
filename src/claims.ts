import type { ClaimedSession } from "./store.ts";

/**
 * Gives what `claim` has added to the list, also if it fails after it has added some: what was removed has to be handed
 * over, whatever became of the rest.
 */
export async function handedOver(claim: (claimed: ClaimedSession[]) => Promise<void>): Promise<ClaimedSession[]> {
  const claimed: ClaimedSession[] = [];
  try {
    await claim(claimed);
  } catch (error) {
    if (claimed.length === 0) throw error;
  }
  return claimed;
}
