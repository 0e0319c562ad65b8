// The corpora behind the pages, and the pages themselves, which semcov writes into a folder.

import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const ROOT = join(import.meta.dirname, "../..");
const SUPPORT = join(ROOT, "examples/support.jsonl");
/** Points of the large page. */
export const MANY = 100_000;

/** Runs semcov; an exit code of 1 is a verdict. */
const semcov = async (folder, ...words) => {
  const env = { ...process.env, SEMCOV_CACHE: process.env.SEMCOV_CACHE ?? join(folder, "cache") };
  try {
    await promisify(execFile)(process.env.SEMCOV, [...words, "--quiet"], { cwd: folder, env, maxBuffer: 1 << 28 });
  } catch (error) {
    if (error.code !== 1) throw new Error(`semcov ${words.join(" ")}: ${error.stderr || error}`);
  }
};

export const linesOf = async (path) =>
  (await readFile(path, "utf8")).split("\n").filter(Boolean).map((line) => JSON.parse(line));
const jsonl = (rows) => rows.map((row) => JSON.stringify(row) + "\n").join("");

/** What breaks out of a page that forgets to escape; `pwned` is looked for afterwards. */
const HOSTILE = [
  "<script>window.__pwned = 1</script>",
  "</script><script>window.__pwned = 2</script>",
  "</style><script>window.__pwned = 3</script>",
  "</title></textarea></noscript><img src=x onerror='window.__pwned = 4'>",
  "<img src=x onerror=alert(5)>",
  `" onmouseover="window.__pwned = 6" autofocus onfocus="window.__pwned = 7" x="`,
  "' onclick='window.__pwned = 8' x='",
  "<svg/onload=window.__pwned=9>",
  "<a href='javascript:window.__pwned=10'>click</a>",
  "javascript:window.__pwned=11",
  "<iframe srcdoc='<script>parent.__pwned = 12</script>'></iframe>",
  "<meta http-equiv=refresh content='0;url=javascript:window.__pwned=13'>",
  "<base href='http://elsewhere.example/'>",
  "<form action=javascript:window.__pwned=14><button>send</button></form>",
  "{{ 7 * 7 }} {% raw %} {# note #} ${window.__pwned = 15} <%= 7 %>",
  "<!-- --!> <![CDATA[ ]]> <?php ?>",
  "\u202Edesrever\u202C and \u2066isolated\u2069 and \u200F\u061C marks",
  "lines\u2028and\u2029paragraphs\r\n\t\u0000\u0007\u001b[31mred\u001b[0m\u009b31m",
  "&lt;script&gt; &#60;script&#62; &amp;quot;",
  "\uFEFF\uFFFD\uFFFE\uFDD0 𝕏 👩‍👩‍👧‍👦 Z̸̢̛͓͇a̶l̴g̵o̷ ﷽ \u00ad\u200b",
  "__proto__", "constructor", "hasOwnProperty", "NaN", "null", "undefined", "-Infinity", "=1+1", "@SUM(A1)",
];

/** Rows that are hostile in their ids, texts, sources and labels, among others that are long. */
const hostile = () => {
  const rows = HOSTILE.flatMap((text, i) => [
    { id: text, text: `${text} number ${i}`, source: text, label: HOSTILE[(i + 1) % HOSTILE.length] },
    { id: `row-${i}`, text: `please help with ${text}, it appears in my letter`, source: text, label: "a" },
    { id: `again-${i}`, text: `please help with ${text}, it appears in my letter`, source: "b", label: text },
  ]);
  for (let i = 0; i < 3; i++) rows.push({ id: `long-${i}`, text: `<b>${"word ".repeat(20_000)}</b>${i}`, source: "<b>" });
  rows.push({ id: "unbroken", text: "x".repeat(100_000) }, { id: "", text: "without an id" }, { id: "none", text: "" });
  return jsonl(rows) + '{"id": "half", "text": "a surrogate \\ud800 alone"}\n{"id": "\\udfff", "text": "and in the id"}\n';
};

/** The ids of the rows that can be read; a row without one is called by its place. */
const idsOf = (text, name) =>
  text.split("\n").flatMap((line, i) => (/\\ud[89a-f]/.test(line) || !line ? [] : [JSON.parse(line).id || `${name}:${i + 1}`]));

/** A NumPy file of points around some hundred centres, from a generator that is seeded. */
const vectors = (rows, dim) => {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const centres = Array.from({ length: 128 }, () => Float32Array.from({ length: dim }, random));
  const data = new Float32Array(rows * dim);
  for (let i = 0; i < rows; i++) {
    const centre = centres[(i * i) % 128];
    for (let d = 0; d < dim; d++) data[i * dim + d] = centre[d] + 0.3 * random();
  }
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dim}), }`;
  const head = dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11) + "\n";
  const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, head.length & 255, head.length >> 8]);
  return Buffer.concat([magic, Buffer.from(head, "latin1"), Buffer.from(data.buffer)]);
};

/** The pages, each with the mode it is in and what makes it. */
export const PAGES = {
  support: {
    mode: "report",
    make: async (folder) => {
      await semcov(folder, "report", SUPPORT, "-o", "support.html");
      return { corpus: await linesOf(SUPPORT), word: "invoice" };
    },
  },
  beside: {
    mode: "report",
    make: async (folder) => {
      const rows = await linesOf(SUPPORT);
      const missing = ["damaged", "returns", "shipping", "two-factor"];
      const kept = rows.filter(({ label }) => !missing.includes(label));
      await writeFile(join(folder, "without.jsonl"), jsonl(kept.map((row) => ({ ...row, id: `c-${row.id}` }))));
      const size = ["--leaves", "12", "--regions", "6"];
      await semcov(folder, "report", "without.jsonl", "--reference", SUPPORT, ...size, "-o", "beside.html");
      return { corpus: await linesOf(join(folder, "without.jsonl")), reference: rows, word: "password", gaps: true };
    },
  },
  hostile: {
    mode: "report",
    make: async (folder) => {
      const name = "<img src=x onerror=alert(1)>.jsonl";
      await writeFile(join(folder, name), hostile());
      await semcov(folder, "report", name, "--reference", SUPPORT, "--max-bad-rows", "5", "-o", "hostile.html");
      return { ids: idsOf(hostile(), name), gaps: true };
    },
  },
  screening: {
    mode: "screening",
    make: async (folder) => {
      await semcov(folder, "profile", "fit", SUPPORT, "--with-examples", "-o", "support.semcov");
      await writeFile(join(folder, "drop.jsonl"), jsonl((await linesOf(SUPPORT)).slice(0, 200)) + hostile());
      const output = ["--max-bad-rows", "5", "-o", "kept.jsonl", "--html", "screening.html"];
      await semcov(folder, "screen", "drop.jsonl", "--against", "support.semcov", ...output);
      return {};
    },
  },
  verdict: {
    mode: "verdict",
    make: async (folder) => {
      await semcov(folder, "profile", "fit", SUPPORT, "--with-examples", "-o", "baseline.semcov");
      const rows = (await linesOf(SUPPORT)).filter(({ label }) => label !== "billing" && label !== "login");
      await writeFile(join(folder, "current.jsonl"), jsonl(rows) + hostile());
      const output = ["--max-bad-rows", "5", "--show-text", "--pending", "none", "--html", "verdict.html"];
      await semcov(folder, "gate", "current.jsonl", "--baseline", "baseline.semcov", ...output);
      return {};
    },
  },
  many: {
    mode: "report",
    make: async (folder) => {
      const rows = Array.from({ length: MANY }, (_, i) => ({ id: `r${i}`, text: `text number ${i} about topic ${(i * i) % 128}` }));
      await writeFile(join(folder, "many.jsonl"), jsonl(rows));
      await writeFile(join(folder, "many.npy"), vectors(MANY, 16));
      await semcov(folder, "report", "many.jsonl", "--vectors", "many.npy", "-o", "many.html");
      return { corpus: rows, word: "number 77" };
    },
  },
};

/** Makes a page; gives the records behind it, where checks need them. */
export const make = async (name, folder) => {
  await mkdir(folder, { recursive: true });
  const records = await PAGES[name].make(folder);
  return { file: join(folder, `${name}.html`), ...records };
};
