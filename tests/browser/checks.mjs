// What holds of a page. Each check throws where something does not; what happens on the way is listened to all the time.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

let axe = "";
/** The source of axe-core. */
export const useAxe = (source) => (axe = source);

/** Elements that a page has; those of charts, drawn as SVG, among them. */
const ELEMENTS = `a abbr article b bdi body br button canvas caption circle clippath code col colgroup dd defs details dfn div dl dt
  ellipse em figcaption figure filter footer g h1 h2 h3 h4 head header html i image img input label legend li line lineargradient
  main meta nav noscript ol option output p path pattern polygon polyline radialgradient rect script section select small span
  stop strong style sub summary sup svg table tbody td text textarea tfoot th thead time title tr tspan ul use`.split(/\s+/);

/** Complaints of the browser: console, errors, requests, dialogs, breaches of the policy. */
export const listen = async (page, url) => {
  const complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`error: ${error.stack ?? error}`));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("popup", () => complaints.push("a window opened"));
  page.on("framenavigated", (frame) => {
    const at = frame.url().split("#")[0];
    if (at !== url && at !== "about:blank") complaints.push(`went to ${at}`);
  });
  page.on("request", (request) => {
    const asked = request.url();
    if (asked.split("#")[0] !== url && !asked.startsWith("data:") && !asked.startsWith("blob:")) complaints.push(`request: ${asked}`);
  });
  await page.addInitScript(() => {
    window.__violations = [];
    document.addEventListener("securitypolicyviolation", (event) => {
      window.__violations.push(`${event.violatedDirective}: ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
    });
    window.__copied = [];
    if (navigator.clipboard) navigator.clipboard.writeText = async (text) => void window.__copied.push(text);
  });
  return complaints;
};

/** Breaches of the policy, and what ran that should not have. */
export const violations = (page) =>
  page.evaluate(() => [
    ...(window.__violations ?? []).map((violation) => `policy: ${violation}`),
    ...(window.__pwned === undefined ? [] : [`text of a row ran: ${window.__pwned}`]),
  ]);

export const mode = async (page, kind, map) => {
  const data = await page.evaluate(() => ({ ...document.documentElement.dataset }));
  assert.equal(data.mode, kind, "mode");
  assert.equal(data.map, map, "how the map is drawn");
};

/** No element, attribute or address that only text of rows could have brought. */
export const knownElements = async (page) => {
  const found = await page.evaluate((known) => {
    const odd = [];
    for (const element of document.querySelectorAll("*")) {
      const name = element.localName.toLowerCase();
      if (!known.includes(name)) odd.push(`<${name}>`);
      for (const { name: attribute, value } of element.attributes) {
        if (attribute.startsWith("on")) odd.push(`<${name} ${attribute}>`);
        const isAddress = ["href", "src", "action", "formaction", "srcdoc", "xlink:href"].includes(attribute);
        if (isAddress && !/^(#|data:image\/)/.test(value)) odd.push(`<${name} ${attribute}="${value.slice(0, 80)}">`);
      }
      if (name === "script" && !element.nonce && !/json|octet-stream/.test(element.type)) odd.push("<script> without a nonce");
    }
    return odd;
  }, ELEMENTS);
  assert.deepEqual(found, [], "unknown markup");
};

/** The theme of the system, and the button that overrules it. */
export const theme = async (page) => {
  const state = () =>
    page.evaluate(() => [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor]);
  const [, light] = await state();
  await page.emulateMedia({ colorScheme: "dark" });
  const [, dark] = await state();
  assert.notEqual(dark, light, "the page follows the system");
  await page.click("#theme");
  assert.deepEqual(await state(), ["light", light], "light, on a dark system");
  await page.emulateMedia({ colorScheme: "light" });
  await page.click("#theme");
  assert.deepEqual(await state(), ["dark", dark], "dark, on a light system");
  await page.click("#theme");
  assert.deepEqual(await state(), ["auto", light], "back to the system's");
};

/** Where some points lie on the screen, spread over the map. */
const places = (page) =>
  page.evaluate(() => {
    const plot = document.querySelector("#map-plot");
    plot.scrollIntoView({ block: "center", behavior: "instant" });
    const { left, top } = plot.getBoundingClientRect();
    const { xaxis, yaxis } = plot._fullLayout;
    const points = plot.data
      .filter(({ mode, hoverinfo, x }) => mode === "markers" && hoverinfo !== "skip" && x.length > 0)
      .flatMap(({ x, y }) => Array.from(x, (_, i) => [x[i], y[i]]));
    const step = Math.max(1, Math.floor(points.length / 12));
    return points
      .filter((_, i) => i % step === 0)
      .map(([x, y]) => [left + xaxis._offset + xaxis.l2p(x), top + yaxis._offset + yaxis.l2p(y)]);
  });

/** Points drawn on the map, but for rings around others. */
const drawn = (page) =>
  page.evaluate(() =>
    document
      .querySelector("#map-plot")
      .data.filter(({ mode, hoverinfo, visible }) => mode === "markers" && hoverinfo !== "skip" && visible !== false)
      .reduce((sum, { x }) => sum + x.length, 0),
  );

/** Text as a page may show it: marks that change its direction, and characters that do not show, are not compared. */
const plain = (text) => text.replace(/[^\p{L}\p{N}]+/gu, " ").trim();

/** A point under the pointer shows its text, as text. */
export const tip = async (page, { corpus, reference }) => {
  await page.waitForSelector("html[data-texts]", { state: "attached" });
  let seen = 0;
  for (const [x, y] of await places(page)) {
    if (seen === 5) break;
    await page.mouse.move(x, y);
    await page.mouse.move(x + 1, y);
    const visible = await page.waitForFunction(() => !document.querySelector("#map-tip").hidden, null, { timeout: 1500 })
      .catch(() => null);
    if (!visible) continue;
    seen += 1;
    const shown = await page.evaluate(() => {
      const tip = document.querySelector("#map-tip");
      const box = tip.getBoundingClientRect();
      return {
        text: tip.querySelector(".text")?.textContent ?? "",
        id: tip.querySelector(".id")?.textContent ?? "",
        markup: tip.querySelectorAll("script, img, a, iframe, svg").length,
        inside: box.left >= 0 && box.right <= innerWidth + 1,
      };
    });
    assert.equal(shown.markup, 0, "markup in the tooltip");
    assert.ok(shown.inside, "the tooltip is on the screen");
    if (corpus) {
      const record = [...corpus, ...(reference ?? [])].find(({ id }) => id === shown.id);
      assert.ok(record, `the id of a record, not ${shown.id}`);
      const [text, whole] = [plain(shown.text), plain(record.text)];
      assert.ok(text.length > 0 && whole.startsWith(text), `${shown.id} is ${whole}, not ${text}`);
    }
    await page.mouse.move(2, 2);
  }
  assert.ok(seen >= 3, `points under the pointer show their text: ${seen} did`);
};

/** Every way to colour the map. */
export const colours = async (page) => {
  const options = await page.$$eval("#map-color option", (options) => options.map(({ value }) => value));
  assert.ok(options.includes("region"), `colourings: ${options}`);
  const all = await drawn(page);
  for (const option of [...options, options[0]]) {
    await page.selectOption("#map-color", option);
    const names = await page.$$eval("#map-legend button[data-slot]", (buttons) => buttons.map(({ textContent }) => textContent));
    assert.ok(names.length > 0, `a legend for ${option}`);
    assert.equal(await drawn(page), all, `every point is there, by ${option}`);
  }
};

/** What the legend switches off goes, and comes back. */
export const legend = async (page) => {
  const all = await drawn(page);
  const button = page.locator("#map-legend button[data-slot]").first();
  assert.equal(await button.getAttribute("aria-pressed"), "true");
  await button.click();
  assert.equal(await button.getAttribute("aria-pressed"), "false");
  assert.ok((await drawn(page)) < all, "fewer points");
  await button.click();
  assert.equal(await button.getAttribute("aria-pressed"), "true");
  assert.equal(await drawn(page), all, "all points");
};

/** Search finds texts, and counts them. */
export const mapSearch = async (page, { corpus, reference, word }) => {
  await page.waitForSelector("html[data-texts]", { state: "attached" });
  const search = async (words) => {
    const before = await page.textContent("#map-found");
    await page.fill("#map-search", words);
    await page.waitForFunction((before) => document.querySelector("#map-found").textContent !== before, before, { timeout: 20_000 });
    const said = await page.textContent("#map-found");
    const hits = await page.$$eval("#map-hits li", (hits) => hits.map(({ textContent }) => textContent.toLowerCase()));
    return { said, found: Number(said.replaceAll(",", "").match(/^\d+/)?.[0]), hits };
  };
  const { said, found, hits } = await search(word ?? "a");
  assert.match(said, /^[\d,]+ of [\d,]+ texts$/);
  assert.ok(found > 0 && hits.length > 0 && hits.length <= found, `${said}, ${hits.length} listed`);
  if (word) {
    const folded = ({ text }) => text.normalize("NFC").trim().replace(/\s+/g, " ");
    const texts = [corpus, reference ?? []].flatMap((records) => [...new Set(records.map(folded))]);
    const expected = texts.filter((text) => [...text].slice(0, 100).join("").toLowerCase().includes(word)).length;
    assert.equal(found, expected, `texts with "${word}"`);
    assert.ok(hits.every((hit) => hit.includes(word)), hits.join("\n"));
  }
  assert.equal((await search("zzzz qqqq")).found, 0, "texts with nonsense");
  assert.equal((await search("")).said.trim(), "", "no search");
};

/** Regions of the rows and cards that can be seen. */
const regionsShown = (page) =>
  page.$$eval("tr[data-region], article[data-region]", (parts) =>
    parts.filter((part) => part.checkVisibility()).map((part) => part.dataset.region),
  );

/** A click on a point or on a region's button leaves the rows and cards of that region; Escape and a button bring all back. */
export const regionFilter = async (page) => {
  const before = await regionsShown(page);
  const only = async (by) => {
    const region = await page.evaluate(() => document.documentElement.dataset.region);
    assert.ok(region !== undefined, `${by}: a region is chosen`);
    const shown = await regionsShown(page);
    assert.deepEqual([...new Set(shown)].filter((other) => other !== region), [], `${by}: only region ${region}`);
    assert.equal(shown.length, before.filter((other) => other === region).length, `${by}: all of region ${region}`);
    assert.ok(await page.isVisible("#filter"), `${by}: the page says so`);
  };
  const everything = async (by) => {
    assert.equal(await page.evaluate(() => document.documentElement.dataset.region), undefined, `${by}: no region`);
    assert.deepEqual(await regionsShown(page), before, `${by}: everything is back`);
    assert.ok(!(await page.isVisible("#filter")), `${by}: the bar is gone`);
  };
  for (const [x, y] of await places(page)) {
    await page.mouse.move(x, y);
    await page.mouse.move(x + 1, y);
    await page.waitForTimeout(150);
    await page.mouse.click(x + 1, y);
    if (await page.evaluate(() => document.documentElement.dataset.region !== undefined)) break;
  }
  await only("a click on a point");
  await page.keyboard.press("Escape");
  await everything("Escape");
  const buttons = page.locator("button.only");
  if ((await buttons.count()) > 0) {
    // Some stand in a closed row.
    await buttons.first().evaluate((button) => button.closest("details")?.setAttribute("open", ""));
    await buttons.first().click();
    await only("a region's button");
    await page.click("#filter-clear");
    await everything("the bar's button");
  }
};

/** The search of a table hides the rows without the words. */
export const tableSearch = async (page) => {
  for (const input of await page.locator("input.table-search").all()) {
    const table = await input.getAttribute("aria-controls");
    const rows = () =>
      page.$$eval(`#${table} tbody tr`, (rows) => rows.filter((row) => row.checkVisibility()).map((row) => row.textContent.toLowerCase()));
    const all = await rows();
    const word = all[0].match(/\p{L}{3,}/u)?.[0] ?? all[0].trim().slice(0, 3);
    await input.fill(word);
    const found = await rows();
    assert.deepEqual(found, all.filter((row) => row.includes(word)), `${table}: rows with "${word}"`);
    await input.fill("zzzz qqqq");
    assert.deepEqual(await rows(), [], `${table}: rows with nonsense`);
    await input.fill("");
    assert.deepEqual(await rows(), all, `${table}: all rows`);
  }
};

/** The queue for review: its ids are copied, and its rows downloaded; those chosen, or else all. */
export const review = async (page, { ids: known }) => {
  if ((await page.locator("#review-copy").count()) === 0) return;
  const ids = await page.evaluate(() => {
    const ids = JSON.parse(document.getElementById("review-ids").textContent);
    return [...document.querySelectorAll("#review input[name=review]")].map(({ value }) => ids[value]);
  });
  assert.ok(ids.length > 1, "records to review");
  const copied = async () => {
    await page.click("#review-copy");
    return page.evaluate(() => window.__copied.at(-1));
  };
  const downloaded = async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#review-download")]);
    const text = await readFile(await download.path(), "utf8");
    return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  };
  assert.equal(await copied(), ids.join("\n"), "all ids");
  const rows = await downloaded();
  assert.deepEqual(rows.map(({ id }) => id), ids, "a line per record");
  if (known) assert.deepEqual(ids.filter((id) => !known.includes(id)), [], "ids that are not those of the rows");
  for (const row of rows) {
    assert.ok([row.score, row.p_value].every(Number.isFinite) && Number.isInteger(row.region), JSON.stringify(row));
  }
  await page.locator("#review input[name=review]").nth(1).check();
  assert.equal(await copied(), ids[1], "the chosen id");
  assert.deepEqual((await downloaded()).map(({ id }) => id), [ids[1]], "the chosen record");
  await page.locator("#review input[name=review]").nth(1).uncheck();
};

/** Gaps are cards, with records and a command that is copied as it stands. */
export const gaps = async (page, { gaps }) => {
  const cards = await page.locator("article.gap").all();
  assert.equal(cards.length > 0, gaps === true, `${cards.length} cards of gaps`);
  for (const card of cards.slice(0, 3)) {
    assert.ok((await card.locator(".example").count()) > 0, "records of the gap");
    assert.ok(await card.isVisible(), "the card");
    const command = await card.locator("code").textContent();
    await card.locator("button.copy").click();
    assert.equal(await page.evaluate(() => window.__copied.at(-1)), command, "a command");
  }
};

/** Every column of every table sorts both ways, and keeps its rows. */
export const sorting = async (page) => {
  const wrong = await page.evaluate(() => {
    const wrong = [];
    for (const table of document.querySelectorAll("table.sortable")) {
      const rows = () => [...table.tBodies[0].rows];
      const before = new Set(rows());
      for (const button of table.querySelectorAll("thead th button")) {
        const heading = button.closest("th");
        const cells = () => rows().map(({ cells }) => cells[heading.cellIndex]).map((cell) => cell.dataset.value ?? cell.textContent.trim());
        const orders = [0, 1].map(() => {
          button.click();
          return [heading.getAttribute("aria-sort"), cells()];
        });
        const where = `${table.id || table.caption?.textContent}, ${heading.textContent}`;
        if (orders.map(([order]) => order).sort().join() !== "ascending,descending") wrong.push(`${where}: ${orders.map(([order]) => order)}`);
        for (const [order, values] of orders) {
          const numbers = values.filter((value) => value !== "").map(Number);
          const sign = order === "ascending" ? 1 : -1;
          const sorted = numbers.some(Number.isNaN) || numbers.every((number, i) => i === 0 || sign * (number - numbers[i - 1]) >= 0);
          if (!sorted) wrong.push(`${where}, ${order}: ${numbers.slice(0, 8)}`);
        }
        const [one, other] = orders.map(([, values]) => values);
        if (one.join("\n") !== [...other].reverse().join("\n")) wrong.push(`${where}: the two orders are not each other's reverse`);
        if (table.querySelectorAll("th[aria-sort]").length !== 1) wrong.push(`${where}: more than one column is sorted`);
      }
      if (rows().length !== before.size || !rows().every((row) => before.has(row))) wrong.push(`${table.id}: rows were lost`);
    }
    return wrong;
  });
  assert.deepEqual(wrong, []);
  assert.ok((await page.locator("table.sortable thead th button").count()) > 3, "there are columns to sort");
};

/** Tab reaches every control that can be seen, and shows where it is. */
export const keyboard = async (page) => {
  await page.evaluate(() => {
    const controls = "a[href], button, input, select, textarea, summary, [tabindex='0']";
    window.__controls = new Set([...document.querySelectorAll(controls)].filter((one) => !one.disabled && one.checkVisibility()));
    window.__count = window.__controls.size;
    window.__unseen = [];
    document.addEventListener("focusin", ({ target }) => {
      if (!window.__controls.delete(target)) return;
      const marked = [target, target.closest("label, th")].filter(Boolean).some((element) => {
        const style = getComputedStyle(element);
        return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== "none";
      });
      const { width, height } = target.getBoundingClientRect();
      if (!marked || width === 0 || height === 0) window.__unseen.push(target.outerHTML.slice(0, 120));
    });
  });
  const count = await page.evaluate(() => window.__count);
  assert.ok(count > 5, `${count} controls`);
  for (let i = 0; i < 1.3 * count + 30; i++) await page.keyboard.press("Tab");
  const [missed, unseen] = await page.evaluate(() => [
    [...window.__controls].map((control) => control.outerHTML.slice(0, 120)),
    window.__unseen,
  ]);
  assert.deepEqual(missed, [], "controls that Tab does not reach");
  assert.deepEqual(unseen, [], "controls whose focus does not show");
};

/** The rules A and AA of WCAG that axe-core can tell, contrast of text among them, and the contrast of what is drawn. */
export const accessible = async (page) => {
  await page.waitForSelector("html[data-texts]", { state: "attached" });
  await page.evaluate(() => document.querySelectorAll("details").forEach((details, i) => i < 12 && details.setAttribute("open", "")));
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
      resultTypes: ["violations"],
    }),
  );
  const said = ({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.length} such as ${nodes[0].html.slice(0, 160)} (${nodes[0].failureSummary?.replace(/\s+/g, " ").slice(0, 260)})`;
  assert.deepEqual(violations.map(said), []);
  const faint = await page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const over = (color, ground) => {
      canvas.fillStyle = `rgb(${ground})`;
      canvas.fillRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (rgb) => {
      const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => {
      const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
      return (high + 0.05) / (low + 0.05);
    };
    const groundOf = (element) => {
      const chain = [];
      for (let at = element.parentElement; at; at = at.parentElement) chain.push(getComputedStyle(at).backgroundColor);
      return chain.reverse().reduce((ground, color) => over(color, ground), [255, 255, 255]);
    };
    const faint = new Map();
    const judge = (element, color, what) => {
      if (!element.checkVisibility()) return;
      const seen = ratio(over(color, groundOf(element)), groundOf(element));
      if (seen < 3) faint.set(`${what} ${color} on rgb(${groundOf(element)})`, seen.toFixed(2));
    };
    for (const shape of document.querySelectorAll("main svg:not(.main-svg) :is(rect, circle, path)")) {
      if (shape.closest(".js-plotly-plot")) continue;
      judge(shape.ownerSVGElement, getComputedStyle(shape).fill, shape.getAttribute("class") ?? shape.ownerSVGElement.getAttribute("class"));
    }
    for (const dot of document.querySelectorAll("#map-legend .dot")) {
      const style = getComputedStyle(dot);
      judge(dot, dot.classList.contains("ring") ? style.borderTopColor : style.backgroundColor, dot.className);
    }
    const plot = document.querySelector("#map-plot");
    for (const { mode, marker, hoverinfo } of plot?.data ?? []) {
      if (mode === "markers" && hoverinfo !== "skip") judge(plot, marker.color, "points");
    }
    return [...faint].map(([what, seen]) => `${what}: ${seen}`);
  });
  assert.deepEqual(faint, [], "graphics with a contrast below 3");
};

/** Nothing is wider than the screen. */
export const fits = async (page) => {
  // Charts take a moment to follow the window.
  const narrow = () => document.documentElement.scrollWidth <= document.documentElement.clientWidth;
  await page.waitForFunction(narrow, null, { timeout: 5000 }).catch(() => {});
  const wide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width && document.body.scrollWidth <= width) return [];
    const hidden = (element) => element.closest(".scroll, .js-plotly-plot");
    return [`${document.documentElement.scrollWidth} of ${width} px`].concat(
      [...document.querySelectorAll("body *")]
        .filter((element) => !hidden(element) && element.getBoundingClientRect().right > width + 1)
        .map((element) => `<${element.localName} class="${element.getAttribute("class")}"> ${element.textContent.slice(0, 40)}`)
        .slice(0, 5),
    );
  });
  assert.deepEqual(wide, [], "wider than the screen");
};

/** Without scripts, the picture and the tables are there, and no control that does nothing. */
export const withoutScripts = async (page) => {
  const seen = await page.evaluate(() => {
    const visible = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
    return {
      picture: visible("#map-picture").some(({ naturalWidth }) => naturalWidth > 100),
      tables: visible("table").filter((table) => table.tBodies[0].rows.length > 0).length,
      all: document.querySelectorAll("table").length,
      dead: visible("button, select, input:not([name=review])").map((control) => control.outerHTML.slice(0, 100)),
      sections: visible("section").filter((section) => section.offsetHeight > 20).length,
    };
  });
  assert.ok(seen.picture, "the picture of the map");
  assert.equal(seen.tables, seen.all, "tables");
  assert.ok(seen.tables > 1 && seen.sections > 3, "sections");
  assert.deepEqual(seen.dead, [], "controls that do nothing");
};

/** A printed page has every section, and the picture of the map. */
export const printed = async (page) => {
  await page.waitForSelector("html[data-texts]", { state: "attached" });
  await page.emulateMedia({ media: "print" });
  const { headings, flat, picture } = await page.evaluate(() => ({
    headings: [...document.querySelectorAll("section h2")].map(({ textContent }) => textContent.trim()),
    flat: [...document.querySelectorAll("section")].filter((section) => section.offsetHeight < 20).map(({ id }) => id),
    picture: document.querySelector("#map-picture").checkVisibility(),
  }));
  assert.deepEqual(flat, [], "sections without height");
  assert.ok(picture, "the picture of the map");
  const pdf = (await page.pdf({ outline: true, tagged: true })).toString("latin1");
  const titles = [...pdf.matchAll(/\/Title\s*(?:\(((?:\\.|[^\\)])*)\)|<([0-9A-Fa-f]+)>)/g)].map(([, text, hex]) =>
    hex ? Buffer.from(hex, "hex").swap16().toString("utf16le").replace("\uFEFF", "") : text.replace(/\\(.)/g, "$1"),
  );
  for (const heading of headings) assert.ok(titles.includes(heading), `${heading}, in the outline of the PDF: ${titles}`);
};
