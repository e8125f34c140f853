import { expect, test } from "vitest";
import { bestLanguage, clock, fill, languages, type Text } from "./i18n";

const placeholders = (text: Text): string[] => {
  const form = typeof text === "string" ? text : text.other;
  return (form.match(/\{\w+\}/g) ?? []).sort();
};

test("every language has every text, and fills in the same things", () => {
  const [first, ...others] = languages;
  if (first === undefined) throw new Error("no language");
  expect(languages.map((one) => one.tag)).toEqual(["zh-CN", "en"]);
  for (const other of others) {
    expect(Object.keys(other.texts).sort()).toEqual(Object.keys(first.texts).sort());
    for (const [key, text] of Object.entries(first.texts)) {
      const translated = other.texts[key as keyof typeof other.texts];
      expect([key, placeholders(translated)]).toEqual([key, placeholders(text)]);
    }
  }
});

test("no text shouts, blames or is empty", () => {
  for (const { tag, texts } of languages) {
    for (const [key, text] of Object.entries(texts)) {
      for (const form of typeof text === "string" ? [text] : Object.values(text as object)) {
        expect([tag, key, form]).toEqual([tag, key, expect.stringMatching(/^[^!！]+$/)]);
        expect([tag, key, /your network/i.test(String(form))]).toEqual([tag, key, false]);
      }
    }
  }
});

test("every text of the live pages is used", () => {
  const sources = import.meta.glob<string>(["../**/*.ts", "../**/*.tsx", "!../lang/*", "!../**/*.test.ts"], {
    eager: true,
    query: "?raw",
    import: "default",
  });
  const code = Object.values(sources).join("\n");
  // These are put together from a code: `media.howto.${browser}`, `error.${code}`, `teach.recording.problem.${code}`.
  const made = /^(media\.howto|error|teach\.recording\.problem|replay)\./;
  const unused = Object.keys(languages[0]?.texts ?? {}).filter((key) => !made.test(key) && !code.includes(`"${key}"`));
  expect(unused).toEqual([]);
});

test.each([
  [["zh-TW", "en"], "zh-CN"],
  [["zh"], "zh-CN"],
  [["en-GB"], "en"],
  [["fr-FR", "zh-CN"], "zh-CN"],
  [["fr-FR"], "en"],
  [[], "en"],
])("browsers that want %o read %s", (wanted, tag) => {
  expect(bestLanguage(wanted, ["zh-CN", "en"])).toBe(tag);
});

test("texts that count choose their form", () => {
  const text = { one: "{count} classroom", other: "{count} classrooms" };
  expect([0, 1, 2, 1200].map((count) => fill(text, { count }, "en"))).toEqual([
    "0 classrooms",
    "1 classroom",
    "2 classrooms",
    "1,200 classrooms",
  ]);
});

test("a filled-in value is never filled in again", () => {
  expect(fill("{a} {b}", { a: "{b}", b: "x" }, "en")).toBe("{b} x");
});

test.each([
  [0, "0:00"],
  [59.9, "0:59"],
  [754, "12:34"],
  [3723, "1:02:03"],
  [-5, "0:00"],
])("%d seconds read %s", (seconds, text) => {
  expect(clock(seconds)).toBe(text);
});
