// coatcheck console: the web console of a farm, on this machine.

import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Command } from "commander";
import { createConsole } from "../../console/create-console.ts";
import { nodeHandler } from "../../console/node-handler.ts";
import { CliError, USAGE_ERROR } from "../cli-error.ts";
import { isLoopback } from "../doctor/hosts.ts";
import type { Output } from "../output.ts";
import { onSessions, type TargetFlags, withTarget } from "../target.ts";

interface Flags extends TargetFlags {
  port: string;
  host: string;
}

type Handler = (req: IncomingMessage, res: ServerResponse) => unknown;

const ASK_AGAIN_AFTER_MS = 30_000;

export function addConsole(program: Command, output: Output): void {
  withTarget(program.command("console"))
    .description("show the farm in the browser, until it is interrupted (needs the secret)")
    .option("-p, --port <number>", "the port (default: a free one)", "0")
    .option("--host <address>", "an address of this machine alone", "127.0.0.1")
    .action((flags: Flags) => {
      const port = Number(flags.port);
      if (!Number.isInteger(port) || port < 0 || port > 65_535) {
        throw new CliError(`--port is "${flags.port}": give a number from 0 to 65535.`, USAGE_ERROR);
      }
      // An empty host is every address of this machine.
      if (flags.host === "" || !isLoopback(flags.host)) {
        throw new CliError(
          `--host is "${flags.host}": the command serves this machine alone. For others, mount coatcheck/console in an application, or use a tunnel of ssh.`,
          USAGE_ERROR,
        );
      }
      return onSessions(flags, async ({ name, sessions, hasSecret }) => {
        if (!hasSecret) {
          throw new CliError(`servers seal what they report, so the console needs the secret: set ${flags.secretEnv}.`);
        }
        const door = new Door();
        const web = createConsole(sessions, {
          authorize: (request) => door.isOpenTo(request as IncomingMessage),
          name: undefined,
          takesPart: false,
          askAgainAfter: ASK_AGAIN_AFTER_MS,
        });
        const server = createServer(door.before(nodeHandler(web)));
        const stopped = interrupted();
        server.listen(port, flags.host);
        await once(server, "listening");
        door.port = (server.address() as AddressInfo).port;
        output.line(`The console of ${name}: http://${bracketed(flags.host)}:${door.port}/?token=${door.token}`);
        output.note("The address opens it once, for one browser. Ctrl+C ends it.");
        await stopped;
        await web.close();
        server.close();
        server.closeAllConnections();
      });
    });
}

/** Lets one browser in: the first that comes with the token gets a cookie. */
class Door {
  port = 0;
  readonly token = randomBytes(24).toString("base64url");
  readonly #key = randomBytes(24).toString("base64url");
  #wasUsed = false;

  isOpenTo({ headers: { cookie = "" } }: IncomingMessage): boolean {
    return cookie.split("; ").some((pair) => isSame(pair, `${this.#cookieName}=${this.#key}`));
  }

  before(handle: Handler): Handler {
    return (req, res) => {
      // A page of another site may have its name lead to this machine (DNS rebinding).
      if (!isLoopback(hostnameOf(req))) return res.writeHead(421).end("This is no address of the console.\n");
      const [, token] = /^\/\?token=([\w-]+)$/.exec(req.url ?? "") ?? [];
      if (token === undefined || this.#wasUsed || !isSame(token, this.token)) return handle(req, res);
      this.#wasUsed = true;
      // The token stays neither in the history nor in a log.
      return res
        .writeHead(303, {
          Location: "./",
          "Set-Cookie": `${this.#cookieName}=${this.#key}; Path=/; HttpOnly; SameSite=Strict`,
          "Cache-Control": "no-store",
          "Referrer-Policy": "no-referrer",
        })
        .end();
    };
  }

  /** Browsers do not tell the ports of a host apart. */
  get #cookieName(): string {
    return `coatcheck-console-${this.port}`;
  }
}

function hostnameOf({ headers: { host = "-" } }: IncomingMessage): string {
  return host.replace(/:\d+$/, "");
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

function isSame(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Resolves when somebody wants the command to end. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      resolve();
    };
    process.on("SIGINT", stop).on("SIGTERM", stop);
  });
}
