import { expect, test } from "vitest";
import { language } from "./i18n";
import { PHRASES, phrasesOf, phraseText, read } from "./phrases";

test("a phrase is read in the reader's language, whoever's it was", () => {
  for (const code of [...PHRASES.teacher, ...PHRASES.classroom]) {
    const words = ["zh-CN", "en"].map((tag) => {
      language.value = tag;
      return read(phraseText(code));
    });
    expect(words[0]).not.toBe(words[1]);
    expect(words.join()).not.toContain("#");
  }
});

test("what is typed, and a code of a newer page, is read as it came", () => {
  for (const text of ["你好", "#sign:", "#sign:of_tomorrow", "see #sign:ready", ""]) expect(read(text)).toBe(text);
});

test("every phrase on offer travels as a line that is read as its words", () => {
  for (const role of ["teacher", "classroom"] as const) {
    for (const { code, words } of phrasesOf(role)) expect(read(phraseText(code))).toBe(words);
  }
});
