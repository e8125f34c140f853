import { expect, test } from "vitest";
import { kept, lastHeard, later } from "./catchup-heard";
import { between, type Reading } from "./catchup-look";
import { pictureFits } from "./catchup-player";
import { parsePart, secondOf, wallOf } from "./catchup-stream";

const PARTS = [
  { startsAtS: 0, beganAtMs: 1_000_000 },
  { startsAtS: 60, beganAtMs: 1_200_000 },
];

test("replay seconds and walls are turned into each other, part by part", () => {
  expect(wallOf(PARTS, 10)).toBe(1_010_000);
  expect(wallOf(PARTS, 65)).toBe(1_205_000);
  expect(secondOf({ startsAtS: 60, beganAtMs: 1_200_000 }, 1_205_000)).toBe(65);
  expect(secondOf({ startsAtS: 60, beganAtMs: 1_200_000 }, 1_100_000)).toBe(60);
  expect(wallOf([], 1)).toBeNull();
});

test("a part is read from its header, and nothing else is", () => {
  expect(parsePart("61.25:1800000000000")).toEqual({ startsAtS: 61.25, beganAtMs: 1_800_000_000_000 });
  for (const wrong of [null, "", "1", "a:b", "1:2:3", "-1:5"]) expect(parsePart(wrong)).toBeNull();
});

test("what was heard is gone on from for as long as a lesson can be, and never from a clock that makes no sense", () => {
  const now = 1_800_000_000_000;
  expect(lastHeard(kept(now - 60_000, 0), now, null)).toBe(now - 60_000);
  expect(lastHeard(kept(now - 60_000, 5_000), now - 5_000, null)).toBe(now - 60_000);
  expect(lastHeard(kept(now - 3 * 3_600_000, 0), now, 0)).toBe(now - 3 * 3_600_000);
  expect(lastHeard(kept(now - 13 * 3_600_000, 0), now, 0)).toBeNull();
  expect(lastHeard(kept(now + 60_000, 0), now, 0)).toBeNull();
  expect(lastHeard(null, now, 0)).toBeNull();
  expect(lastHeard("junk", now, 0)).toBeNull();
});

const READING: Reading = { id: "s.0", packets: 100, samples: 96_000, concealed: 0, waitedS: 100, emitted: 1_000, jitterMs: 8, playsMs: null, signs: 500 };

test("a look is the difference of two readings of one seat", () => {
  const after = { ...READING, packets: 112, samples: 108_000, concealed: 1_200, waitedS: 700, emitted: 1_500, signs: 900 };
  expect(between(READING, after)).toEqual({ packets: 12, concealed: 0.1, delayMs: 1_200, jitterMs: 8, playsMs: null, alive: false });
  expect(between(READING, { ...after, id: "t.0" }).delayMs).toBeNull();
});

test("silence on a connection that lives is not this room's", () => {
  expect(between(READING, { ...READING, signs: 600 }).alive).toBe(true);
  expect(between(READING, READING).alive).toBe(false);
});

test("the picture is fetched only where it leaves room for the sound", () => {
  expect(pictureFits(false, 4, { wanted: true, kbps: 300 }, 0, 0)).toBe(true);
  expect(pictureFits(false, 4, { wanted: true, kbps: 120 }, 0, 0)).toBe(false);
  expect(pictureFits(false, 5, { wanted: true, kbps: 120 }, 0, 0)).toBe(true);
  expect(pictureFits(false, 1, { wanted: true, kbps: 300 }, 0, 0)).toBe(false);
  expect(pictureFits(false, 5, { wanted: true, kbps: 300 }, 1_000, 2_000)).toBe(false);
  expect(pictureFits(true, 2, { wanted: true, kbps: null }, 0, 0)).toBe(true);
  expect(pictureFits(true, 0.5, { wanted: true, kbps: 900 }, 0, 0)).toBe(false);
});

test("a room that saves data, or has spent its budget, fetches no picture of the recording", () => {
  expect(pictureFits(false, 9, { wanted: false, kbps: 3_000 }, 0, 0)).toBe(false);
  expect(pictureFits(true, 9, { wanted: false, kbps: 3_000 }, 0, 0)).toBe(false);
});

test("of two places where it was kept, the one that was written last counts", () => {
  const [old, young] = [kept(1_800_000_000_000, 5), kept(1_800_000_003_000, -5)];
  expect(later(old, young)).toBe(young);
  expect(later(young, old)).toBe(young);
  expect(later(null, old)).toBe(old);
  expect(later(old, null)).toBe(old);
  expect(later("junk", old)).toBe(old);
  expect(later(null, null)).toBeNull();
});
