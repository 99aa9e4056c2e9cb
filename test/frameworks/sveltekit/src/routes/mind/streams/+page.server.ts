import { setTimeout as sleep } from "node:timers/promises";
import { userOf } from "#lib/server/suite.ts";
import type { PageServerLoad } from "./$types";

export const load: PageServerLoad = ({ fetch, locals, url }) => {
  const { searchParams } = url;
  if (searchParams.has("write")) userOf(locals).data.n = 1;
  return { later: later(), fetched: fetched() };

  async function later(): Promise<string> {
    await sleep(100);
    const session = userOf(locals);
    try {
      session.set("n", 2);
      return "written";
    } catch (error) {
      return `${session.data.n}: ${(error as Error).message}`;
    }
  }

  async function fetched(): Promise<string> {
    await sleep(150);
    return (await fetch("/suite/n")).text();
  }
};
