// Runs other packages' own tests against coatcheck, and counts: npm run test:compatibility
// Names of packages run these alone: npm run test:compatibility -- connect-redis

import { Folder, NotFetched, type Suite } from "./suite.ts";
import { suites } from "./suites.ts";

const names = process.argv.slice(2);
const unknown = names.find((name) => !suites.some((suite) => suite.name === name));
if (unknown !== undefined) {
  throw new Error(`No suite is called ${unknown}: there are ${suites.map(({ name }) => name).join(", ")}.`);
}
for (const suite of suites) if (names.length === 0 || names.includes(suite.name)) await report(suite);

async function report(suite: Suite): Promise<void> {
  const { name } = suite;
  const deviations = new Set(suite.deviations.flatMap(({ tests }) => tests));
  let found: Awaited<ReturnType<Suite["run"]>>;
  try {
    found = await suite.run(new Folder());
  } catch (error) {
    if (!(error instanceof NotFetched)) throw error;
    console.log(`${name}: skipped. ${error.message}`);
    return;
  }
  const { version, tests } = found;
  const failures = tests.filter(({ error }) => error !== undefined);
  const isDeviation = ({ title }: { title: string }) => deviations.has(title);
  const counts = `${tests.length - failures.length} pass and ${failures.filter(isDeviation).length} fail on purpose`;
  console.log(`${name} ${version}: of its ${tests.length} tests, ${counts}.`);
  const wrong = failures.filter((test) => !isDeviation(test)).map(({ title, error }) => `FAILS: ${title}\n  ${error}`);
  for (const title of deviations) {
    const test = tests.find((test) => test.title === title);
    if (test === undefined) wrong.push(`NOT FOUND: ${title}, which fails on purpose`);
    else if (test.error === undefined) wrong.push(`PASSES: ${title}, which should fail on purpose`);
  }
  for (const line of wrong) console.log(line);
  if (wrong.length > 0 || tests.length === 0) process.exitCode = 1;
}
