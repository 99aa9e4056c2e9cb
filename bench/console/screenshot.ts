// node bench/console/screenshot.ts [docs/console.png]: takes the picture of the console, a moment after a server has died.

import { openBrowser } from "../../demo/drive.ts";
import { buildConsolePage } from "../../scripts/console-page.ts";
import { startFeed } from "./feed.ts";

const [path = new URL("../../docs/console.png", import.meta.url).pathname] = process.argv.slice(2);
await buildConsolePage();
const feed = await startFeed({ servers: 3, alive: 48_000, requests: 420, deathAt: Date.now() - 16_000 });
const browser = await openBrowser();
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
await page.goto(feed.url);
await page.waitForSelector(".node.server.lost");
await page.waitForTimeout(2_500); // until dots are everywhere
await page.screenshot({ path });
await browser.close();
feed.stop();
