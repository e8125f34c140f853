import { expect, test } from "vitest";
import { buttons, fit, pagesOf, pagesWith, within } from "./pages";

test("few classrooms have full tiles, many have compact ones in pages", () => {
  expect(fit(600, 4)).toEqual({ perPage: 4, compact: false });
  expect(fit(600, 8)).toEqual({ perPage: 9, compact: true });
  expect(fit(600, 100)).toEqual({ perPage: 8, compact: true });
  expect(pagesOf(100, 8)).toBe(13);
});

test("a low window still shows three at a time, and a phone scrolls", () => {
  expect(fit(100, 40).perPage).toBe(3);
  expect(fit(null, 5).compact).toBe(false);
  expect(fit(null, 40)).toEqual({ perPage: 8, compact: true });
});

test.each([
  [3, 0, 5, [0, 1, 2]],
  [20, 0, 5, [0, 1, 2, 3, 4]],
  [20, 9, 5, [7, 8, 9, 10, 11]],
  [20, 19, 5, [15, 16, 17, 18, 19]],
])("of %i pages at %i, %i buttons are %j", (pages, current, most, shown) => {
  expect(buttons(pages, current, most)).toEqual(shown);
});

test("a page that is gone is the last one that is there", () => {
  expect([within(5, 3), within(-1, 3), within(1, 3)]).toEqual([2, 0, 1]);
});

test("each page with a hand is marked once", () => {
  expect(pagesWith(["a", "b", "c", "d", "e"], ["b", "a", "e", "gone"], 2)).toEqual([0, 2]);
});
