// node demo/animation.ts [docs/demo.svg]: makes the moving picture of a server that is killed, from screenshots of a visit.
import { writeFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { click, openBrowser, openFarm } from "./drive.ts";

const [path = new URL("../docs/demo.svg", import.meta.url).pathname] = process.argv.slice(2);
const WIDTH = 1200;
const HEIGHT = 660;
const CAPTION_HEIGHT = 56;
const SECONDS_A_FRAME = 2.2;

interface Frame {
  caption: string;
  /** The screenshot, in base64. */
  picture: string;
}

const farm = await openFarm("--store", "redis");
const browser = await openBrowser();
const page = await browser.newPage({ viewport: { width: WIDTH, height: HEIGHT }, colorScheme: "light" });
await page.goto(farm.url);
const frames: Frame[] = [];

for (const ware of ["coat", "umbrella", "hat"]) await click(page, `#hang-${ware}`);
await frame("Three servers, one session. Each click goes to the next server.");
const server = await page.getAttribute("body", "data-answered-by");
await click(page, `#kill-${server}`);
await frame(`Server ${server}, which made the last page, is killed.`);
await click(page, "#hang-scarf");
await frame("The next server has the same rail. Go on shopping.");
await click(page, "#hang-case");
await frame("Each click goes to a server that is alive. Nothing is lost.");
await click(page, `#start-${server}`);
await frame(`Server ${server} starts again, as a new process.`);
while ((await page.getAttribute("body", "data-answered-by")) !== server) await click(page, "#again");
await frame("It has the whole rail, too.");

writeFileSync(path, animation(frames));
await browser.close();
await farm.stop();

/** Takes a picture of the top of the page, as WebP, which Playwright's own screenshots can't be. */
async function frame(caption: string): Promise<void> {
  await page.mouse.move(0, 0);
  await page.evaluate("scrollTo(0, 0)");
  await page.waitForTimeout(1_500); // until the hangers hang still
  frames.push({ caption, picture: await webp(page) });
}

async function webp(page: Page): Promise<string> {
  const devtools = await page.context().newCDPSession(page);
  const { data } = await devtools.send("Page.captureScreenshot", { format: "webp", quality: 72 });
  await devtools.detach();
  return data;
}

/** All frames lie over each other, and each is visible in its turn. Without motion, the second one stays. */
function animation(frames: readonly Frame[]): string {
  const share = 100 / frames.length;
  const height = HEIGHT + CAPTION_HEIGHT;
  const groups = frames.map(
    ({ caption, picture }, i) => `<g class="frame" style="animation-delay:${(i * SECONDS_A_FRAME).toFixed(1)}s">
<image width="${WIDTH}" height="${HEIGHT}" href="data:image/webp;base64,${picture}"/>
<text x="${WIDTH / 2}" y="${height - 19}">${caption}</text>
</g>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>One of three servers is killed, and the shop goes on</title>
<style>
text { fill: #f6ecdd; font: 600 23px system-ui, sans-serif; text-anchor: middle }
.frame { opacity: 0; animation: turn ${(frames.length * SECONDS_A_FRAME).toFixed(1)}s step-end infinite }
@keyframes turn { 0% { opacity: 1 } ${share.toFixed(2)}% { opacity: 0 } }
@media (prefers-reduced-motion: reduce) { .frame { animation: none } .frame:nth-of-type(2) { opacity: 1 } }
</style>
<rect width="${WIDTH}" height="${height}" rx="10" fill="#24142b"/>
${groups.join("\n")}
</svg>
`;
}
