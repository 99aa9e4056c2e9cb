// What the list of devices shows of a browser.

import { getConnInfo } from "@hono/node-server/conninfo";
import type { SessionClient } from "coatcheck";
import type { Context } from "hono";

// The first that the browser names: most of them name others, too.
const BROWSERS = { Edg: "Edge", OPR: "Opera", Firefox: "Firefox", Chrome: "Chrome", Safari: "Safari" };
const SYSTEMS = { iPhone: "iPhone", iPad: "iPad", Android: "Android", Windows: "Windows", Mac: "Mac", Linux: "Linux" };

export function clientOf(c: Context): SessionClient {
  const userAgent = c.req.header("user-agent")?.slice(0, 500) ?? "";
  const label = `${firstIn(userAgent, BROWSERS) ?? "A browser"} on ${firstIn(userAgent, SYSTEMS) ?? "a device"}`;
  const { address } = getConnInfo(c).remote;
  return { label, userAgent, ...(address && { address }) };
}

function firstIn(text: string, names: Record<string, string>): string | undefined {
  return Object.entries(names).find(([part]) => text.includes(part))?.[1];
}
