// node bench/console/frames.ts: how many frames a second the console's page shows, while a million sessions are alive and
// 5,000 requests a second pass. The feed is made up, as no machine for this benchmark could serve so much and draw as well.

import { cpus } from "node:os";
import { openBrowser } from "../../demo/drive.ts";
import { buildConsolePage } from "../../scripts/console-page.ts";
import { startFeed } from "./feed.ts";

const SECONDS = 20;

await buildConsolePage();
const feed = await startFeed({ servers: 8, alive: 1_000_000, requests: 5_000 });
const browser = await openBrowser();
const { model } = cpus()[0]!;
console.log(`${model}, ${cpus().length} CPUs, Chromium ${browser.version()} without a GPU, ${SECONDS} seconds each`);
for (const [name, viewport] of Object.entries({
  desktop: { width: 1280, height: 880 },
  wide: { width: 1920, height: 1080 },
  phone: { width: 390, height: 844 },
})) {
  const page = await browser.newPage({ viewport });
  await page.goto(feed.url);
  await page.waitForSelector(".node.server.up");
  await page.waitForTimeout(5_000);
  const frames = (await page.evaluate(`new Promise((resolve) => {
    const times = [];
    requestAnimationFrame(function next(time) {
      times.push(time);
      if (time - times[0] < ${SECONDS * 1000}) requestAnimationFrame(next);
      else resolve(times);
    });
  })`)) as number[];
  const gaps = frames.slice(1).map((time, i) => time - frames[i]!).sort((a, b) => a - b); // biome-ignore format: one line
  const rate = (gaps.length * 1000) / (frames.at(-1)! - frames[0]!);
  const at = (share: number) => `${gaps[Math.floor((gaps.length - 1) * share)]!.toFixed(1)} ms`;
  console.log(`${name.padEnd(8)} ${rate.toFixed(1)} frames a second; a frame takes ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`); // biome-ignore format: one line
  await page.close();
}
await browser.close();
feed.stop();
