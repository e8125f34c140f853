/** Laws of the texts: every language says all of them, and every page carries those that it can show and no others. What a
 * page can show is read from the source of every module that its HTML file leads to. */

import { expect, test } from "vitest";
import { languages, type Text, type TextFiles } from "../lib/i18n";

const files: TextFiles = import.meta.glob("./*/*.ts", { eager: true });
const html = import.meta.glob<string>("../../*.html", { eager: true, query: "?raw", import: "default" });
const sources = import.meta.glob<string>(["../**/*.ts", "../**/*.tsx", "!../**/*.test.ts"], {
  eager: true,
  query: "?raw",
  import: "default",
});

type Entries = readonly (readonly [key: string, text: Text])[];

/** The texts of file `name` of language `tag`; null when there is no such file. */
function entries(tag: string, name: string): Entries | null {
  const file = files[`./${tag}/${name}.ts`];
  return file === undefined ? null : (Object.entries(file.default) as [string, Text][]);
}

const names = Object.keys(files).flatMap((path) => /^\.\/zh-CN\/(.+)\.ts$/.exec(path)?.[1] ?? []);
const fileOf = new Map(names.flatMap((name) => (entries("zh-CN", name) ?? []).map(([key]) => [key, name] as const)));
const forms = (text: Text): string[] => (typeof text === "string" ? [text] : Object.values(text));
const placeholders = (text: Text): string[] =>
  ((typeof text === "string" ? text : text.other).match(/\{\w+\}/g) ?? []).sort();

test("every language has every text, in the same file, and fills in the same things", () => {
  expect(languages.map((one) => one.tag)).toEqual(["zh-CN", "en"]);
  expect(Object.keys(files).length).toBe(languages.length * names.length);
  for (const { tag } of languages) {
    for (const name of names) {
      const filled = (of: Entries | null): unknown => of?.map(([key, text]) => [key, placeholders(text)]).sort();
      expect([tag, name, filled(entries(tag, name))]).toEqual([tag, name, filled(entries("zh-CN", name))]);
    }
  }
});

test("every text stands in one file only", () => {
  const keys = names.flatMap((name) => (entries("zh-CN", name) ?? []).map(([key]) => key));
  expect(keys.filter((key, at) => keys.indexOf(key) !== at)).toEqual([]);
});

test("no text shouts, blames or is empty", () => {
  for (const { tag } of languages) {
    for (const [key, text] of names.flatMap((name) => entries(tag, name) ?? [])) {
      for (const form of forms(text)) {
        expect([tag, key, form]).toEqual([tag, key, expect.stringMatching(/^[^!！]+$/)]);
        expect([tag, key, /your network/i.test(form)]).toEqual([tag, key, false]);
      }
    }
  }
});

/** Imports of other modules of ours; those of types alone lead nowhere. */
const IMPORT = /(?:^(?:import|export)\s(?!type\b)[^;"]*?from\s*|^import\s*|\bimport\(\s*)"(\.[^"]+)"/gm;

/** The module that `path` means in `from`, as `sources` names it; null for a style sheet. */
function resolved(from: string, path: string): string | null {
  if (path.endsWith(".css")) return null;
  const whole = new URL(path, new URL(from, "file:///src/lang/")).pathname.replace("/src/", "../");
  const found = [".ts", ".tsx", ""].map((ending) => whole + ending).find((one) => one in sources);
  if (found === undefined) throw new Error(`${from} imports ${path}, which this test does not find`);
  return found;
}

/** Every module that runs, or may come to run, in a page that begins with `entry`. */
function reached(entry: string): string[] {
  const seen: string[] = [];
  const waiting: string[] = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.includes(path)) continue;
    seen.push(path);
    for (const [, imported = ""] of (sources[path] ?? "").matchAll(IMPORT)) {
      const found = resolved(path, imported);
      if (found !== null) waiting.push(found);
    }
  }
  return seen;
}

/** The texts that `code` names: whole keys, and every key that begins as a template does (`error.${code}`). */
function said(code: string): Set<string> {
  const begun = [...code.matchAll(/`([\w.]+\.)\$\{/g)].map((match) => match[1] ?? "");
  const whole = new Set([...code.matchAll(/["'`]([\w.]+)["'`]/g)].map((match) => match[1] ?? ""));
  return new Set([...fileOf.keys()].filter((key) => whole.has(key) || begun.some((start) => key.startsWith(start))));
}

interface Page {
  readonly page: string;
  readonly modules: readonly string[];
  /** The files of texts that the page loads. */
  readonly loads: readonly string[];
  readonly says: ReadonlySet<string>;
}

function pageOf(page: string, entry: string): Page {
  const modules = reached(`../${entry}`);
  const code = modules.map((one) => sources[one]).join("\n");
  const loads = [...code.matchAll(/"(?:\.\.\/)+lang\/\*\/(\w+)\.ts"/g)].map((match) => match[1] ?? "");
  return { page, modules, loads, says: said(code) };
}

const pages: readonly Page[] = Object.entries(html).map(([path, text]) => {
  const entry = /<script[^>]* src="\/src\/([^"]+)"/.exec(text)?.[1];
  if (entry === undefined) throw new Error(`${path} names no script`);
  return pageOf(path.replace(/^.*\//, ""), entry);
});

/** What pages load when it is first used, with its texts: whole in itself. */
const parts: readonly Page[] = [pageOf("board", "board/index.ts")];

test("the walk over a page's modules finds them", () => {
  const found = Object.fromEntries(pages.map(({ page, modules }) => [page, modules]));
  expect(Object.keys(found).sort()).toEqual(["class.html", "index.html", "replay.html", "report.html", "teach.html"]);
  expect(found["class.html"]).toEqual(expect.arrayContaining(["../classroom/LineCheck.tsx", "../lib/line-check.ts", "../ui/Gate.tsx"]));
  expect(found["class.html"]?.filter((one) => /\/(teach|replay|dev)\//.test(one))).toEqual([]);
  expect(said("t(\"pre.start\") + `media.howto.${browser}`").size).toBe(4);
});

/** Every page has these. */
const COMMON = "common";

test.each([...pages, ...parts])("$page has every text that it can show", ({ loads, says }) => {
  expect([...says].filter((key) => ![COMMON, ...loads].includes(fileOf.get(key) ?? ""))).toEqual([]);
});

test.each(names)("%s.ts holds nothing that the pages which load it cannot show", (name) => {
  const loaders = [...pages, ...parts].filter(({ loads }) => loads.includes(name));
  expect(loaders.length).toBeGreaterThan(0);
  // What one page alone shows of a shared file belongs into that page's own.
  const least = Math.min(loaders.length, 2);
  const keys = [...fileOf].filter(([, file]) => file === name).map(([key]) => key);
  expect(keys.filter((key) => key !== "language.name" && loaders.filter(({ says }) => says.has(key)).length < least)).toEqual([]);
});
