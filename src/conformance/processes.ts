// Conformance: several processes with one store.

import { fork } from "node:child_process";
import { extname } from "node:path";
import {
  begin,
  bytes,
  type Case,
  eventually,
  increment,
  type Kit,
  newKey,
  past,
  present,
  SHORT,
  same,
  sleep,
  text,
  that,
  times,
} from "./kit.ts";
import type { Answer, Request, Task } from "./worker.ts";

/** Not while the module loads: a bundle has no file beside it, and some have no URL. */
const workerFile = () => new URL(`./worker${extname(import.meta.url)}`, import.meta.url);

/** Several processes with one store, like the servers of a farm. */
export const processes: Case[] = [
  {
    name: "processes: no increment is lost",
    needs: ["processes"],
    async run(kit) {
      const store = await kit.open();
      const { key } = await begin(store, { value: bytes("0") });
      await withFarm(kit, 3, async (farm) => {
        await Promise.all(
          farm
            .flatMap((worker) => times(2, () => worker.perform({ do: "increment", key, count: 15 })))
            .concat(increment(store, key, 10)),
        );
      });
      const { value } = await present(store, key, "A session must stay until it is deleted or expires.");
      same(
        text(value),
        "100",
        "Several processes added 100 in all by compare-and-swap, so an update was lost. The database must do the comparison, and not the process.",
      );
    },
  },
  {
    name: "processes: exactly one create of a key wins",
    needs: ["processes"],
    async run(kit) {
      const store = await kit.open();
      await withFarm(kit, 3, async (farm) => {
        for (let round = 0; round < 10; round++) {
          const key = newKey();
          const answers = await Promise.all(
            farm.map((worker, index) => worker.perform({ do: "create", key, value: `by ${index}` })),
          );
          const winners = answers.flatMap((answer, index) => (answer === "exists" ? [] : [index]));
          same(winners.length, 1, "Exactly one of several processes that create one key must win.");
          const { value } = await present(
            store,
            key,
            "A session that one process created must be there for the others.",
          );
          same(text(value), `by ${winners[0]}`, "The session must be that of the process that won.");
        }
      });
    },
  },
  {
    name: "processes: claimExpired gives each session to one process",
    needs: ["processes", "claimExpired"],
    async run(kit) {
      const store = await kit.open();
      const expiresAt = Date.now() + SHORT;
      const begun = await Promise.all(times(60, () => begin(store, { expiresAt })));
      const counts = new Map(begun.map(({ key }) => [key, 0]));
      await withFarm(kit, 3, async (farm) => {
        await past(expiresAt);
        await eventually("claimExpired must give every expired session in the end.", async () => {
          const rounds = await Promise.all(
            farm.flatMap((worker) => times(2, () => worker.perform({ do: "claim", limit: 10 }) as Promise<string[]>)),
          );
          for (const key of rounds.flat()) if (counts.has(key)) counts.set(key, counts.get(key)! + 1);
          return [...counts.values()].every((count) => count > 0) ? true : undefined;
        });
      });
      same(Math.max(...counts.values()), 1, "Each expired session must go to exactly one of the processes.");
    },
  },
  {
    name: "processes: killing a writer loses no acknowledged write and blocks no other process",
    needs: ["processes"],
    async run(kit) {
      const store = await kit.open();
      for (let round = 0; round < 3; round++) {
        const [own, shared] = await Promise.all([
          begin(store, { value: bytes("0") }),
          begin(store, { value: bytes("0") }),
        ]);
        let acknowledged = 0;
        await withFarm(kit, 2, async ([victim, survivor]) => {
          victim!.perform({ do: "keep writing", key: own.key }).catch(() => {});
          const increments = survivor!.perform({ do: "increment", key: shared.key, count: 30 });
          increments.catch(() => {});
          await eventually("A process must be able to write.", () => (victim!.written() >= 5 ? true : undefined));
          await sleep(Math.random() * 20);
          await victim!.kill();
          acknowledged = victim!.written();
          await increments;
        });
        const { value } = await present(
          store,
          own.key,
          "A process that is killed must leave a store that can be read.",
        );
        that(
          Number(text(value)) >= acknowledged,
          `The killed process had ${acknowledged} writes acknowledged, but the session has only ${text(value)}. Acknowledge a write only when it would survive the process.`,
        );
        await increment(store, own.key, 1);
        same(
          text((await present(store, shared.key, "The other process's session must be there.")).value),
          "30",
          "The other process must go on, and lose no write.",
        );
      }
    },
  },
  {
    name: "processes: exit once the store is closed",
    needs: ["processes"],
    async run(kit) {
      const { key } = await begin(await kit.open(), { value: bytes("0") });
      const worker = await startWorker(kit);
      try {
        await worker.perform({ do: "increment", key, count: 1 });
        await worker.perform({ do: "end" });
        await eventually(
          "close must free everything that the store opened (connections, timers, files), so that the process can exit.",
          () => (worker.hasExited() ? true : undefined),
        );
      } finally {
        await worker.kill();
      }
    },
  },
];

/** The parent's handle to a process of the farm. */
interface Worker {
  /** Runs a task in the process, and gives its result. Tasks run concurrently. */
  perform(task: Task): Promise<unknown>;
  /** The number of increments that the process has reported since "keep writing". */
  written(): number;
  hasExited(): boolean;
  /** Kills the process with SIGKILL, and resolves when it has exited. */
  kill(): Promise<void>;
}

async function startWorker(kit: Kit): Promise<Worker> {
  const child = fork(workerFile(), [kit.processes], {
    // Keeps the flags that load the user's modules, and drops those of a test runner or a debugger.
    execArgv: process.execArgv.filter((flag) => !/^--(test|inspect|watch)/.test(flag)),
    // The test runner may parse this process's output, so the child must not write to it.
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let tasks = 0;
  let written = 0;
  let stderr = "";
  let hasExited = false;

  function answer(id: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(
      () => reject(new Error(`A process of the suite did not answer within a minute. Its standard error: ${stderr}`)),
      60_000,
    );
    waiting.set(id, { resolve, reject });
    return promise.finally(() => clearTimeout(timer));
  }

  const ready = answer(0);
  const closed = new Promise<void>((resolve) => {
    child.on("close", () => {
      hasExited = true;
      for (const { reject } of waiting.values())
        reject(new Error(`A process of the suite exited. Its standard error: ${stderr}`));
      resolve();
    });
  });
  child.on("error", (error) => waiting.get(0)?.reject(error));
  child.stderr!.on("data", (chunk) => {
    stderr += chunk;
  });
  child.on("message", (message: Answer) => {
    if ("written" in message) written = message.written;
    else if ("error" in message)
      waiting.get(message.id)?.reject(new Error(`A process of the suite failed: ${message.error}`));
    else waiting.get(message.id)?.resolve(message.done);
    if ("id" in message) waiting.delete(message.id);
  });
  await ready;
  return {
    perform(task) {
      const answered = answer(++tasks);
      const request: Request = { id: tasks, task };
      child.send(request);
      return answered;
    },
    written: () => written,
    hasExited: () => hasExited,
    kill() {
      child.kill("SIGKILL");
      return closed;
    },
  };
}

async function withFarm(kit: Kit, size: number, run: (farm: Worker[]) => Promise<void>): Promise<void> {
  const started = await Promise.allSettled(times(size, () => startWorker(kit)));
  const farm = started.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  try {
    for (const result of started) if (result.status === "rejected") throw result.reason;
    await run(farm);
  } finally {
    await Promise.all(farm.map((worker) => worker.kill()));
  }
}
