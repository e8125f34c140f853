import { expect, test } from "vitest";
import { afterPong, afterStamp, serverTime, UNKNOWN, type ServerClock } from "./server-clock";

/** The server's clock is ahead by this. */
const TRUE_MS = 1_700_000_000_000;

/** One ping: sent at `at`, `there` ms on its way, `back` ms back. */
function ping(clock: ServerClock, at: number, there: number, back: number): ServerClock {
  return afterPong(clock, TRUE_MS + at + there, at, at + there + back);
}

const wrong = (clock: ServerClock, at: number): number => Math.abs((serverTime(clock, at) ?? NaN) - (TRUE_MS + at));

test("nothing is known before anything was heard", () => {
  expect(serverTime(UNKNOWN, 5)).toBeNull();
});

test("a round trip that is the same both ways tells the time exactly", () => {
  expect(wrong(ping(UNKNOWN, 0, 150, 150), 400)).toBe(0);
});

test("the quickest of many round trips counts, however the slow ones lie", () => {
  let clock = UNKNOWN;
  for (let n = 0; n < 40; n++) clock = ping(clock, n * 5_000, 150 + ((n * 37) % 11) * 60, 150 + ((n * 13) % 7) * 90);
  expect(wrong(clock, 200_000)).toBeLessThan(60);
  expect(clock.withinMs).toBeLessThan(200);
});

test("two rooms, one near and one behind 300 ms, agree within what a song may be apart", () => {
  const near = ping(UNKNOWN, 0, 2, 2);
  let far = UNKNOWN;
  for (let n = 0; n < 6; n++) far = ping(far, n * 1_000, 150 + (n % 3) * 40, 150 + ((n + 1) % 3) * 120);
  expect(Math.abs((serverTime(near, 9_000) ?? 0) - (serverTime(far, 9_000) ?? 0))).toBeLessThan(100);
});

test("a stamp is believed until a round trip is known, and the latest of them most", () => {
  let clock = afterStamp(UNKNOWN, TRUE_MS, 400);
  clock = afterStamp(clock, TRUE_MS + 500, 700);
  clock = afterStamp(clock, TRUE_MS + 600, 1_500);
  expect(serverTime(clock, 700)).toBe(TRUE_MS + 500);
  clock = ping(clock, 2_000, 100, 100);
  expect(afterStamp(clock, TRUE_MS + 9_999, 2_300)).toBe(clock);
});

test("a clock that was set anew is followed at once", () => {
  const before = ping(UNKNOWN, 0, 10, 10);
  const after = afterPong(before, TRUE_MS + 60_000 + 5_200, 5_000, 5_400);
  expect(Math.abs((serverTime(after, 5_400) ?? 0) - (TRUE_MS + 65_400))).toBeLessThanOrEqual(200);
});

test("an old reading gives way to a worse new one in time, as clocks drift", () => {
  const early = ping(UNKNOWN, 0, 5, 5);
  const late = ping(early, 3_600_000, 100, 100);
  expect(late.atMs).toBeGreaterThan(3_600_000);
});
