import { expect, test } from "vitest";
import { closed, type Stretch, tidied } from "./catchup-missed";

const stretch = (fromS: number, toS: number | null): Stretch => ({ fromMs: fromS * 1000, toMs: toS === null ? null : toS * 1000 });

test("what is not worth it is left out, and what is close together is one stretch", () => {
  expect(tidied([stretch(0, 10), stretch(13, 20), stretch(40, 41), stretch(60, null)], 2_500)).toEqual([stretch(0, 20), stretch(60, null)]);
  expect(tidied([stretch(0, 1)], 2_500)).toEqual([]);
});

test("a room that is called on without end owes few stretches, and all that it missed lies in them", () => {
  const many = Array.from({ length: 100 }, (_, i) => stretch(i * 100, i * 100 + 50));
  const kept = tidied(many, 2_500);
  expect(kept.length).toBeLessThanOrEqual(8);
  expect(many.every((one) => kept.some(({ fromMs, toMs }) => fromMs <= one.fromMs && (toMs ?? 0) >= (one.toMs ?? 0)))).toBe(true);
});

test("what is heard live from now on is not owed", () => {
  expect(closed([stretch(0, 10), stretch(20, null)], 30_000)).toEqual([stretch(0, 10), stretch(20, 30)]);
});
