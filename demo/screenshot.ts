// node demo/screenshot.ts [docs/demo.png]: takes the picture of parallel clicks in two shops, after a server was killed.
import { click, openBrowser, openFarm } from "./drive.ts";

const [path = new URL("../docs/demo.png", import.meta.url).pathname] = process.argv.slice(2);
const farm = await openFarm("--store", "redis");
const browser = await openBrowser();
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
await page.goto(farm.url);

await click(page, "#hang-coat");
const server = await page.getAttribute("body", "data-answered-by");
await click(page, `#kill-${server}`);
await click(page, "#start-race");
await page.mouse.move(0, 0);
await page.evaluate("scrollTo(0, 0)");
await page.waitForTimeout(1_500); // until the hangers hang still
await page.screenshot({ path });

await browser.close();
await farm.stop();
