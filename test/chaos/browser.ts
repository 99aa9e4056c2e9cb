import { Agent, request } from "node:http";
import { ticketOffice } from "../../src/ticket.ts";
import { CookieJar } from "./cookie-jar.ts";
import { type Answer, type Ask, now, type Operation } from "./history.ts";
import { SECRET } from "./pockets.ts";
import type { Random } from "./random.ts";

/** Milliseconds that a browser waits for an answer. */
const PATIENCE = 15_000;

/** A browser: its requests go to any server, and everything that it asks and hears is noted. */
export class Browser {
  readonly name: string;
  readonly #ports: readonly number[];
  readonly #random: Random;
  readonly #note: (operation: Operation) => void;
  #jar = new CookieJar();
  #count = 0;

  constructor(name: string, ports: readonly number[], random: Random, note: (operation: Operation) => void) {
    this.name = name;
    this.#ports = ports;
    this.#random = random;
    this.#note = note;
  }

  /** Closes the browser and opens it again: cookies without an end are gone. */
  restart(): void {
    this.#jar = new CookieJar();
  }

  /** Asks a server. With `leaveAfter`, the browser goes away after so many milliseconds. */
  async ask(what: Omit<Ask, "name">, leaveAfter?: number): Promise<Operation> {
    const ask: Ask = { name: `${this.name}.${++this.#count}`, ...what };
    const jar = this.#jar;
    for (;;) {
      const server = this.#random.between(0, this.#ports.length - 1);
      const cookie = jar.header;
      const sent = idOf(cookie);
      const call = now();
      const reply = await send(this.#ports[server]!, ask, cookie, leaveAfter ?? PATIENCE);
      if (reply === "refused") {
        // Nobody has heard it: the next server is asked, as a load balancer does.
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      const end = now();
      if (this.#jar === jar) jar.take(reply.cookies);
      const got = idOf(reply.cookies.find((cookie) => cookie.startsWith("sid=")));
      const facts = { ...ask, browser: this.name, server, call, ...(sent && { sent }), ...(got && { got }) };
      const operation: Operation =
        reply.answer === undefined
          ? { ...facts, end: Infinity, outcome: "unknown", reason: reply.reason }
          : { ...facts, ...reply.answer, end, outcome: reply.answer.done === false ? "dropped" : "done" };
      this.#note(operation);
      return operation;
    }
  }
}

interface Reply {
  answer?: Answer;
  reason: string;
  cookies: string[];
}

const agent = new Agent({ keepAlive: true });
const office = ticketOffice([SECRET]);

/** The public id of the session whose ticket a cookie holds. */
function idOf(cookie: string | undefined): string | undefined {
  const ticket = cookie?.match(/(?:^|; )sid=([^;]+)/)?.[1];
  return ticket && office.check(ticket)?.key;
}

function send(port: number, ask: Ask, cookie: string | undefined, patience: number): Promise<Reply | "refused"> {
  return new Promise((resolve) => {
    const outgoing = request({
      host: "127.0.0.1",
      port,
      path: `/${encodeURIComponent(JSON.stringify(ask))}`,
      headers: { "x-mode": ask.mode, ...(cookie && { cookie }) },
      agent,
    });
    const timer = setTimeout(() => outgoing.destroy(new Error("left")), patience);
    const settle = (reply: Reply | "refused") => {
      clearTimeout(timer);
      resolve(reply);
    };
    outgoing.on("error", (error: NodeJS.ErrnoException) =>
      settle(error.code === "ECONNREFUSED" ? "refused" : { reason: error.code ?? error.message, cookies: [] }),
    );
    outgoing.on("response", (incoming) => {
      const cookies = incoming.headers["set-cookie"] ?? [];
      let body = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (text) => {
        body += text;
      });
      // The ticket came with the headers, whatever becomes of the rest.
      incoming.on("error", (error) => settle({ reason: error.message, cookies }));
      incoming.on("end", () => {
        const { statusCode } = incoming;
        if (statusCode === 200) settle({ answer: JSON.parse(body), reason: "", cookies });
        else settle({ reason: String(statusCode), cookies });
      });
    });
    outgoing.end();
  });
}
