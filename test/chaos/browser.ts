// A browser of the chaos test: sends requests to any server, and records what it sent and got.
import { Agent, request } from "node:http";
import { ticketSigner } from "../../src/cookies/ticket.ts";
import { CookieJar } from "./cookie-jar.ts";
import { type Answer, type Command, now, type Operation } from "./history.ts";
import type { Random } from "./random.ts";
import { SECRETS } from "./session-data.ts";

/** Milliseconds that a browser waits for an answer. */
const PATIENCE_MS = 15_000;

export class Browser {
  readonly name: string;
  readonly #ports: readonly number[];
  readonly #random: Random;
  readonly #record: (operation: Operation) => void;
  #jar = new CookieJar();
  #count = 0;

  constructor(name: string, ports: readonly number[], random: Random, record: (operation: Operation) => void) {
    this.name = name;
    this.#ports = ports;
    this.#random = random;
    this.#record = record;
  }

  /** Closes and opens the browser, which deletes session cookies. */
  restart(): void {
    this.#jar = new CookieJar();
  }

  /** Sends a request to a random server. With `leaveAfter`, the browser leaves after this many milliseconds. */
  async ask(what: Omit<Command, "name">, leaveAfter?: number): Promise<Operation> {
    const command: Command = { name: `${this.name}.${++this.#count}`, ...what };
    const jar = this.#jar;
    for (;;) {
      const server = this.#random.between(0, this.#ports.length - 1);
      const cookie = jar.header;
      const sent = idOf(cookie);
      const call = now();
      const reply = await send(this.#ports[server]!, command, cookie, leaveAfter ?? PATIENCE_MS);
      if (reply === "refused") {
        // No server received it: asks the next one, as a load balancer does.
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      const end = now();
      if (this.#jar === jar) jar.take(reply.cookies);
      const got = idOf(reply.cookies.find((cookie) => cookie.startsWith("sid=")));
      const facts = { ...command, browser: this.name, server, call, ...(sent && { sent }), ...(got && { got }) };
      const operation: Operation =
        reply.answer === undefined
          ? { ...facts, end: Infinity, outcome: "unknown", reason: reply.reason }
          : { ...facts, ...reply.answer, end, outcome: reply.answer.done === false ? "dropped" : "done" };
      this.#record(operation);
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
const signer = ticketSigner(SECRETS);

/** The public id of the session whose ticket a cookie holds. */
function idOf(cookie: string | undefined): string | undefined {
  const ticket = cookie?.match(/(?:^|; )sid=([^;]+)/)?.[1];
  return ticket && signer.verify(ticket)?.key;
}

function send(
  port: number,
  command: Command,
  cookie: string | undefined,
  patience: number,
): Promise<Reply | "refused"> {
  return new Promise((resolve) => {
    const outgoing = request({
      host: "127.0.0.1",
      port,
      path: `/${encodeURIComponent(JSON.stringify(command))}`,
      headers: { "x-mode": command.mode, ...(cookie && { cookie }) },
      agent,
    });
    const timer = setTimeout(() => outgoing.destroy(new Error("left")), patience);
    const finish = (reply: Reply | "refused") => {
      clearTimeout(timer);
      resolve(reply);
    };
    outgoing.on("error", (error: NodeJS.ErrnoException) =>
      finish(error.code === "ECONNREFUSED" ? "refused" : { reason: error.code ?? error.message, cookies: [] }),
    );
    outgoing.on("response", (incoming) => {
      const cookies = incoming.headers["set-cookie"] ?? [];
      let body = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (text) => {
        body += text;
      });
      // The headers with the ticket have arrived, even if the body is cut off.
      incoming.on("error", (error) => finish({ reason: error.message, cookies }));
      incoming.on("end", () => {
        const { statusCode } = incoming;
        if (statusCode === 200) finish({ answer: JSON.parse(body), reason: "", cookies });
        else finish({ reason: String(statusCode), cookies });
      });
    });
    outgoing.end();
  });
}
