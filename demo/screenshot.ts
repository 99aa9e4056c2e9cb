// node demo/screenshot.ts [docs/demo.png]: takes the picture of the demo, after a server was killed during a visit.
import { click, openBrowser, openFarm } from "./drive.ts";

const [path = new URL("../docs/demo.png", import.meta.url).pathname] = process.argv.slice(2);
const farm = await openFarm();
const browser = await openBrowser();
const page = await browser.newPage();
await page.setViewportSize({ width: 1280, height: 880 });
await page.goto(farm.url);

await page.fill("#name", "Ada");
await click(page, "#sign-in");
for (const ware of ["coat", "umbrella", "hat"]) await click(page, `#hang-${ware}`);
const server = await page.getAttribute("body", "data-answered-by");
await click(page, `#kill-${server}`);
for (const ware of ["scarf", "case", "cape"]) await click(page, `#hang-${ware}`);
await page.mouse.move(0, 0);
await page.evaluate("scrollTo(0, 0)");
await page.waitForTimeout(1_500); // until the hangers hang still
await page.screenshot({ path });

await browser.close();
await farm.stop();
