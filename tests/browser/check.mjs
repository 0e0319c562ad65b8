// Opens every kind of page that semcov writes in a real browser, offline, and uses it as people do: with a pointer, with a
// keyboard, on a narrow screen, in the dark, without scripts, without WebGL, on paper. Says what does not hold; exit code 1.

import { mkdtemp, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { MANY, PAGES, make } from "./corpora.mjs";
import * as checks from "./checks.mjs";

const require = createRequire(join(process.env.MODULES, "node_modules/"));
const { chromium } = require("playwright-core");
checks.useAxe(require("axe-core").source);

const SOFTWARE_GL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];
const WITHOUT_GL = ["--disable-gpu", "--disable-3d-apis"];
const launch = (args) => chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", ...args] });

const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { width: 390, height: 844 };
/** Pages that are also used with a keyboard, without scripts, without WebGL and on paper. */
const FURTHER = ["beside", "hostile"];

let failures = 0;
const since = (start) => `${((Date.now() - start) / 1000).toFixed(1)} s`;

/** Opens a page in a context of its own, uses it, and says whether it stayed quiet. */
const visit = async (browser, made, what, options, use) => {
  const start = Date.now();
  const context = await browser.newContext({ ...DESKTOP, ...options });
  const page = await context.newPage();
  const complaints = await checks.listen(page, pathToFileURL(made.file).href);
  try {
    await page.goto(pathToFileURL(made.file).href);
    if (options.javaScriptEnabled !== false) {
      await page.waitForSelector("html[data-ready]", { state: "attached", timeout: 60_000 });
    }
    await use(page);
    complaints.push(...(await checks.violations(page)));
  } catch (error) {
    complaints.push(String(error.message ?? error).slice(0, 2000));
  }
  await context.close();
  console.log(`${made.name}, ${what}: ${complaints.length === 0 ? "holds" : "FAILED"} (${since(start)})`);
  for (const complaint of complaints) console.log(`  ${complaint}`);
  failures += complaints.length;
};

/** Screenshots of the whole page, in pieces: Chromium draws at most 8,192 pixels of height. */
const shot = async (page, name) => {
  if (!process.env.SHOTS) return;
  const { width, height } = await page.evaluate(() => ({ width: innerWidth, height: document.documentElement.scrollHeight }));
  for (let y = 0; y < height; y += 3000) {
    const clip = { x: 0, y, width, height: Math.min(3000, height - y) };
    await page.screenshot({ path: join(process.env.SHOTS, `${name}-${y / 3000}.png`), fullPage: true, clip });
  }
};

/** What holds of every page of usual size. */
const small = async (browser, made) => {
  const { name } = made;
  await visit(browser, made, "with a pointer", { acceptDownloads: true }, async (page) => {
    await checks.mode(page, PAGES[name].mode, "webgl");
    await checks.knownElements(page);
    await shot(page, `${name}-1280`);
    await checks.theme(page);
    await checks.tip(page, made);
    await checks.colours(page);
    await checks.legend(page);
    await checks.mapSearch(page, made);
    await checks.regionFilter(page);
    await checks.tableSearch(page);
    if (PAGES[name].mode === "report") await checks.gaps(page, made);
    await checks.sorting(page);
    await checks.knownElements(page);
    await checks.review(page, made);
  });
  await visit(browser, made, "rules of accessibility, in the light, in the dark, on a phone", {}, async (page) => {
    await checks.accessible(page);
    await page.emulateMedia({ colorScheme: "dark" });
    await shot(page, `${name}-1280-dark`);
    await checks.accessible(page);
    await page.setViewportSize(PHONE);
    await checks.fits(page);
    await shot(page, `${name}-390`);
  });
};

/** What the pages have in common, looked at in some. */
const further = async (browser, withoutGl, made) => {
  await visit(browser, made, "with a keyboard, and on paper", {}, async (page) => {
    await checks.keyboard(page);
    await checks.printed(page);
  });
  await visit(browser, made, "without scripts", { javaScriptEnabled: false }, async (page) => {
    await checks.withoutScripts(page);
    await shot(page, `${made.name}-1280-no-script`);
  });
  await visit(withoutGl, made, "without WebGL", {}, async (page) => {
    await checks.mode(page, PAGES[made.name].mode, "svg");
    await checks.tip(page, made);
  });
};

/** A page of many points: its size, and how long it takes. */
const large = async (browser, made) => {
  const { size } = await stat(made.file);
  const most = 6_000_000 + 25 * MANY;
  if (size > most) {
    failures += 1;
    console.log(`FAILED ${made.name}: ${size} bytes, of at most ${most}`);
  }
  await visit(browser, made, "with a pointer", {}, async (page) => {
    const ready = await page.evaluate(() => performance.getEntriesByName("interactive")[0]?.startTime);
    console.log(`${made.name}: ${MANY} points in ${size} bytes, interactive after ${Math.round(ready)} ms`);
    await checks.mode(page, "report", "webgl");
    await checks.mapSearch(page, made);
    await checks.regionFilter(page);
    await shot(page, `${made.name}-1280`);
  });
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PAGES);
const folder = await mkdtemp(join(tmpdir(), "semcov-browser-"));
const [browser, withoutGl] = await Promise.all([launch(SOFTWARE_GL), launch(WITHOUT_GL)]);
try {
  // The large page first: it takes longest to write. Two at a time.
  const queue = names.sort((a, b) => (b === "many") - (a === "many"));
  const lane = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const start = Date.now();
      const made = { name, ...(await make(name, join(folder, name))) };
      console.log(`${name}: written (${since(start)})`);
      if (name === "many") await large(browser, made);
      else await small(browser, made);
      if (FURTHER.includes(name)) await further(browser, withoutGl, made);
    }
  };
  await Promise.all([lane(), lane()]);
} finally {
  await Promise.all([browser.close(), withoutGl.close()]);
  await rm(folder, { recursive: true });
}
console.log(failures === 0 ? "every page holds" : `${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
