import { expect, test } from "vitest";
import { SPEEDS, lightFrom, nextSpeed, placeIn, speedFrom, withPlace } from "./memory";

test("going on starts two seconds before the place", () => {
  const stored = withPlace(null, "a", 125, 3600, false, 1);
  expect(placeIn(stored, "a")).toBe(123);
  expect(placeIn(stored, "b")).toBe(0);
});

test.each([
  [3, false, 0],
  [3598, false, 0],
  [3598, true, 3596],
])("stopped at %d s of 3600 (live: %s) goes on at %d s", (position, live, expected) => {
  const stored = withPlace(withPlace(null, "a", 500, 3600, false, 1), "a", position, 3600, live, 2);
  expect(placeIn(stored, "a")).toBe(expected);
});

test("fifty lessons are remembered, and the one not watched for longest is forgotten", () => {
  let stored: string | null = null;
  for (let n = 0; n < 51; n++) stored = withPlace(stored, `l${n}`, 100, 3600, false, n);
  expect(placeIn(stored, "l0")).toBe(0);
  expect(placeIn(stored, "l1")).toBe(98);
  expect(placeIn(stored, "l50")).toBe(98);
});

test.each(["", "{", "[]", "null", "7", '{"a":1}', '{"a":["x",2]}', '{"a":[1e999,2]}'])(
  "spoilt storage %s counts as empty",
  (stored) => {
    expect(placeIn(stored, "a")).toBe(0);
    expect(placeIn(withPlace(stored, "b", 100, 3600, false, 1), "b")).toBe(98);
  },
);

test("only a speed on offer is taken from storage", () => {
  expect(speedFrom("1.5")).toBe(1.5);
  for (const spoilt of [null, "", "0", "16", "x"]) expect(speedFrom(spoilt)).toBe(1);
});

test("speeds go up and down one by one and stop at the ends", () => {
  let speed = 0.75;
  const seen = [speed];
  while (nextSpeed(speed, 1) !== speed) seen.push((speed = nextSpeed(speed, 1)));
  expect(seen).toEqual([...SPEEDS]);
  expect(nextSpeed(0.75, -1)).toBe(0.75);
});

test("the light replay is as this viewer chose it, and else for those whose data are dear or slow", () => {
  expect(lightFrom(null, undefined)).toBe(false);
  expect(lightFrom(null, {})).toBe(false);
  expect(lightFrom(null, { effectiveType: "4g" })).toBe(false);
  expect(lightFrom(null, { effectiveType: "4g", saveData: true })).toBe(true);
  for (const effectiveType of ["slow-2g", "2g", "3g"]) {
    expect(lightFrom(null, { effectiveType })).toBe(true);
    expect(lightFrom("off", { effectiveType, saveData: true })).toBe(false);
  }
  expect(lightFrom("on", { effectiveType: "4g" })).toBe(true);
  expect(lightFrom("spoilt", undefined)).toBe(false);
});

test("speeds go from three quarters to twice", () => {
  expect(SPEEDS).toEqual([0.75, 1, 1.25, 1.5, 2]);
});
