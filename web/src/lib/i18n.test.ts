import { expect, test } from "vitest";
import { addTexts, bestLanguage, clock, fill, hasText, language, languages, t } from "./i18n";

test("a page can say what every page can, and what it has added, in every language", () => {
  expect(languages.map((one) => one.texts["language.name"])).toEqual(["中文", "English"]);
  expect(hasText("close")).toBe(false);
  addTexts(import.meta.glob("../lang/*/live.ts", { eager: true }));
  expect(hasText("close")).toBe(true);
  const said = languages.map(({ tag }) => {
    language.value = tag;
    return [t("error.link.title"), t("close")];
  });
  expect(said).toEqual([
    ["这个链接已失效", "关闭"],
    ["This link is not valid any more", "Close"],
  ]);
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
