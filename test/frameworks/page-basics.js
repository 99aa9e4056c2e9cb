// Runs in a page, and gives what is wrong with it for people who see little, use a keyboard, or have a small screen.

(() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility());
  const nameOf = (one) => one.outerHTML.slice(0, 80);
  const check = (isGood, fault) => isGood || faults.push(fault);

  check(document.documentElement.lang !== "", "the page has no language");
  check(document.title !== "", "the page has no title");
  check(all("h1").length === 1, `the page has ${all("h1").length} h1`);
  check(all("main").length === 1, `the page has ${all("main").length} main`);
  let level = 0;
  for (const heading of all("h1, h2, h3, h4")) {
    check(heading.localName[1] <= level + 1, `a level is left out before ${nameOf(heading)}`);
    level = Number(heading.localName[1]);
  }
  const ids = all("[id]").map(({ id }) => id);
  check(new Set(ids).size === ids.length, `ids are not unique: ${ids}`);
  for (const field of all("input:not([type=hidden]), select, textarea")) {
    check(field.labels.length > 0 || field.ariaLabel, `no label: ${nameOf(field)}`);
  }
  for (const control of all("button, a")) {
    check(control.textContent.trim() !== "" || control.ariaLabel, `no name: ${nameOf(control)}`);
    check(control.getBoundingClientRect().height >= 24 || control.localName === "a", `too small: ${nameOf(control)}`);
  }
  const { scrollWidth, clientWidth } = document.documentElement;
  check(scrollWidth <= clientWidth, `the page is ${scrollWidth - clientWidth} px too wide`);
  for (const element of all("body *")) {
    const isText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
    if (!isText) continue;
    const ratio = contrast(getComputedStyle(element).color, groundOf(element));
    check(ratio >= 4.5, `contrast ${ratio.toFixed(2)}: ${nameOf(element)}`);
  }
  return faults;

  /** The colour behind an element. */
  function groundOf(element) {
    const { backgroundColor } = getComputedStyle(element);
    return backgroundColor !== "rgba(0, 0, 0, 0)" ? backgroundColor : groundOf(element.parentElement);
  }

  /** As WCAG 2 defines it. */
  function contrast(one, other) {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }

  function luminance(color) {
    const [red, green, blue] = color.match(/[\d.]+/g).map((text) => {
      const share = text / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
})();
