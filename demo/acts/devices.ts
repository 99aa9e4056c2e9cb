// A second device: its session, and the list of the sessions of one guest.
import type { Session, SessionInfo, Sessions } from "../../src/index.ts";
import type { Guest } from "../state.ts";

/** Signs a guest in: a new ticket, the same data. */
export async function signIn(session: Session<Guest>, name: string, device: string): Promise<void> {
  session.owner = name;
  session.data.name = name;
  session.client = { label: device };
  await session.regenerate();
}

/** The sessions of one guest, oldest first. */
export async function devicesOf(sessions: Sessions<Guest>, owner: string): Promise<SessionInfo<Guest>[]> {
  const devices: SessionInfo<Guest>[] = [];
  for await (const device of sessions.list({ owner })) devices.push(device);
  return devices.sort((a, b) => a.createdAt! - b.createdAt!);
}

/** What a guest calls their device: "Chrome on Linux". */
export function deviceOf(userAgent = ""): string {
  const browser = /Firefox|Edg|Chrome|Safari/.exec(userAgent)?.[0].replace("Edg", "Edge") ?? "A browser";
  const system = /Android|iPhone|iPad|Windows|Mac|Linux/.exec(userAgent)?.[0];
  return system === undefined ? browser : `${browser} on ${system}`;
}
