import type { Case } from "./kit.ts";
export const outages: Case[] = [];
