import { expect, test } from "vitest";
import { backoffMs } from "./backoff";

test("the pause doubles from half a second to fifteen", () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 50].map((attempt) => backoffMs(attempt, 1));
  expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
});

test("a hundred classrooms spread over the upper half of the pause", () => {
  expect(backoffMs(5, 0)).toBe(7500);
  expect(backoffMs(5, 0.5)).toBe(11250);
});
