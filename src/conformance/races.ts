// Conformance: concurrent calls.

import {
  absent,
  begin,
  bytes,
  type Case,
  handles,
  inAnHour,
  increment,
  newKey,
  present,
  same,
  session,
  text,
  that,
  times,
} from "./kit.ts";

const ATOMIC = "Each method must be one atomic step in the database, and never a read followed by a write.";

/** Concurrent callers with several handles: exactly one of them succeeds, and no write is lost. */
export const races: Case[] = [
  {
    name: "parallel: exactly one create of a key wins",
    async run(kit) {
      const stores = await handles(kit, 4);
      for (let round = 0; round < 5; round++) {
        const key = newKey();
        const answers = await Promise.all(
          times(20, (index) => stores[index % 4]!.create(key, session({ value: bytes(`by ${index}`) }))),
        );
        const winners = answers.flatMap((answer, index) => (answer === "exists" ? [] : [index]));
        same(winners.length, 1, `Exactly one of 20 parallel creates of one key must win. ${ATOMIC}`);
        const found = await present(stores[0]!, key, ATOMIC);
        same(text(found.value), `by ${winners[0]}`, "The session must be that of the create that won.");
        same(found.version, answers[winners[0]!], "The version must be the one that the winning call gave.");
      }
    },
  },
  {
    name: "parallel: exactly one update from the same version wins",
    async run(kit) {
      const stores = await handles(kit, 4);
      for (let round = 0; round < 5; round++) {
        const { key, version } = await begin(stores[0]!);
        const answers = await Promise.all(
          times(20, (index) => stores[index % 4]!.update(key, session({ value: bytes(`by ${index}`) }), version)),
        );
        const winners = answers.flatMap((answer, index) => (answer === "conflict" ? [] : [index]));
        same(
          winners.length,
          1,
          `Exactly one of 20 parallel updates from one version must win, and the others must get "conflict". They got ${JSON.stringify(answers)}. ${ATOMIC}`,
        );
        const found = await present(stores[0]!, key, ATOMIC);
        same(text(found.value), `by ${winners[0]}`, "The session must hold the update that won.");
        same(found.version, answers[winners[0]!], "The version must be the one that the winning call gave.");
      }
    },
  },
  {
    name: "parallel: exactly one delete gets true",
    async run(kit) {
      const stores = await handles(kit, 4);
      for (let round = 0; round < 5; round++) {
        const { key, version } = await begin(stores[0]!);
        const answers = await Promise.all(
          times(20, (index) => stores[index % 4]!.delete(key, index % 2 === 0 ? undefined : version)),
        );
        same(answers.filter(Boolean).length, 1, `Exactly one of 20 parallel deletes must get true. ${ATOMIC}`);
      }
    },
  },
  {
    name: "parallel: no increment is lost",
    async run(kit) {
      const stores = await handles(kit, 2);
      const { key } = await begin(stores[0]!, { value: bytes("0") });
      await Promise.all(times(8, (index) => increment(stores[index % 2]!, key, 10)));
      const { value } = await present(stores[0]!, key, ATOMIC);
      same(text(value), "80", `8 workers added 10 each by compare-and-swap, so an update was lost. ${ATOMIC}`);
    },
  },
  {
    name: "parallel: a delete beats any update and touch",
    async run(kit) {
      const stores = await handles(kit, 4);
      for (let round = 0; round < 10; round++) {
        const { key, version } = await begin(stores[0]!);
        const touches = () => times(3, (index) => stores[index]!.touch(key, inAnHour()));
        const [removed] = await Promise.all([
          stores[3]!.delete(key),
          stores[1]!.update(key, session({ value: bytes("zombie") }), version),
          ...touches(),
          stores[2]!.read(key, inAnHour()),
        ]);
        same(removed, true, "delete without ifVersion must remove a live session, even if other callers write to it.");
        await absent(
          stores[0]!,
          key,
          `Neither update nor touch may bring back a session that is deleted concurrently. ${ATOMIC}`,
        );
      }
    },
  },
  {
    name: "parallel: a touch does not undo an update",
    async run(kit) {
      const stores = await handles(kit, 4);
      for (let round = 0; round < 10; round++) {
        const { key, version } = await begin(stores[0]!);
        const touches = () => times(4, (index) => stores[index]!.touch(key, inAnHour() + index));
        const early = round % 2 === 0 ? touches() : [];
        const write = stores[1]!.update(key, session({ value: bytes("new") }), version);
        const late = round % 2 === 1 ? touches() : [];
        await Promise.all([...early, write, ...late, stores[2]!.read(key, inAnHour())]);
        const answer = await write;
        that(
          answer !== "conflict" && answer !== "gone",
          `update answered "${answer}" though only touches ran concurrently. A touch must not change the version.`,
        );
        const found = await present(stores[3]!, key, ATOMIC);
        same(
          [text(found.value), found.version],
          ["new", answer],
          `A touch must write the expiry only, and never an older value or version. ${ATOMIC}`,
        );
      }
    },
  },
];
