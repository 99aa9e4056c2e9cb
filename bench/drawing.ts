// Draws SVG pictures for light and dark pages.
import type { EChartsOption } from "echarts";
import * as echarts from "echarts";

/** Each colour on a light page and on a dark page. */
const COLOURS = {
  text: ["#1f2328", "#e6edf3"],
  faint: ["#c8ccd1", "#484f58"],
  ours: ["#0b6e4f", "#3fb950"],
  peer: ["#b35900", "#f0883e"],
  green: ["#8fd4b4", "#17694a"],
  orange: ["#f6bd84", "#854a12"],
  yellow: ["#f0e29a", "#665a14"],
  blue: ["#b3d0f2", "#27507f"],
  violet: ["#d9cbec", "#57457f"],
} as const;
type Colour = keyof typeof COLOURS;

/** The colours of a light page. `draw` adds those of a dark page. */
export const colours = Object.fromEntries(Object.entries(COLOURS).map(([name, [light]]) => [name, light])) as Record<
  Colour,
  string
>;

const FONT = "system-ui, sans-serif";
/** A margin: text is measured by a table of widths, and readers' fonts differ. */
const WIDER = 1.12;

/** Room for the longest of these texts, in pixels. */
export function widthOf(texts: readonly string[], fontSize: number): number {
  return Math.ceil(
    WIDER * Math.max(...texts.map((text) => echarts.format.getTextRect(text, `${fontSize}px ${FONT}`).width)),
  );
}

/** The largest calculated width of a text that fits into `width` pixels. */
export function fitting(width: number): number {
  return width / WIDER;
}

/**
 * Draws an SVG without a browser. It describes itself in words and has colours for dark pages. `tooltips` belong to the
 * first series, by the index of its data.
 */
export function draw(
  option: EChartsOption,
  size: { width: number; height: number },
  words: { title: string; text: string; tooltips?: readonly string[] },
): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, ...size });
  chart.setOption({ animation: false, textStyle: { fontFamily: FONT, color: colours.text }, ...option });
  const svg = chart
    .renderToSVGString()
    // Removes lighter colours under the mouse, which are unreadable on a dark page.
    .replace(/<style ><!\[CDATA\[.*?<\/style>/s, "")
    .replace(/(<path[^>]* ecmeta_data_index="(\d+)"[^>]*)><\/path>/g, (path, start: string, i: string) => {
      const tooltip = words.tooltips?.[Number(i)];
      return tooltip === undefined ? path : `${start}><title>${escaped(tooltip)}</title></path>`;
    });
  chart.dispose();
  const dark = Object.values(COLOURS).flatMap(([light, dark]) =>
    ["fill", "stroke"].map((paint) => `[${paint}="${light}"] { ${paint}: ${dark} }`),
  );
  // Text lies over the shapes that have the tooltips.
  const style = `<style>text { pointer-events: none } @media (prefers-color-scheme: dark) { ${dark.join(" ")} }</style>`;
  const title = `<title id="title">${escaped(words.title)}</title><desc id="desc">${escaped(words.text)}</desc>`;
  // A function, because the text may contain "$1".
  const begin = (_: string, given: string) => `<svg${given} role="img" aria-labelledby="title desc">${title}${style}`;
  return `${svg.replace(/^<svg([^>]*)>/, begin)}\n`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
