import { defineAction } from "astro:actions";
import { count } from "../lib/suite";
import { server as shop } from "./shop";

export const server = {
  ...shop,
  mind: {
    add: defineAction({ accept: "form", handler: (_form, { locals }) => count(locals) }),
    fail: defineAction({
      accept: "form",
      handler: (_form, { locals }) => {
        count(locals);
        throw new Error("on purpose");
      },
    }),
  },
};
