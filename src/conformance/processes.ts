import type { Case } from "./kit.ts";
export const processes: Case[] = [];
