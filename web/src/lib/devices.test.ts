import { expect, test } from "vitest";
import { browserOf, troubleOf } from "./devices";
import { loudness } from "./level";

test.each([
  ["NotAllowedError", "refused"],
  ["SecurityError", "refused"],
  ["NotFoundError", "notfound"],
  ["OverconstrainedError", "notfound"],
  ["NotReadableError", "busy"],
  ["AbortError", "busy"],
])("%s means %s", (name, trouble) => {
  expect(troubleOf({ name })).toBe(trouble);
});

test("an error of any shape has a meaning", () => {
  for (const odd of [null, undefined, "x", 7, {}]) expect(troubleOf(odd)).toBe("busy");
});

test.each([
  ["Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0", "chromium"],
  ["Mozilla/5.0 (X11; rv:120.0) Gecko/20100101 Firefox/120.0", "firefox"],
  ["Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/14.0 Safari/605.1.15", "safari"],
])("the words fit the browser: %s", (agent, browser) => {
  expect(browserOf(agent)).toBe(browser);
});

test("silence reads nothing, full scale reads all, a voice in between", () => {
  const wave = (peak: number): Uint8Array => Uint8Array.from({ length: 1024 }, (_, i) => 128 + Math.round(peak * Math.sin(i / 5)));
  expect(loudness(wave(0))).toBe(0);
  expect(loudness(Uint8Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 0 : 255)))).toBeCloseTo(1, 2);
  expect(loudness(wave(6))).toBeGreaterThan(0.35);
  expect(loudness(wave(1))).toBeLessThan(0.35);
});
