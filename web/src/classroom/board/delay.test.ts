import { expect, test } from "vitest";
import type { Happened } from "../../generated/messages";
import { Delay, dueMs, type Lag, MOST_MS } from "./delay";

/** The server's clock is ahead of the page's by this. */
const OFFSET_MS = 1_000_000;
const lag = (lagMs: number, wayMs = 150): Lag => ({ lagMs, offsetMs: OFFSET_MS, wayMs });

function happened(seq: number, sentMs: number): Happened {
  return { type: "happened", seq, at_ms: OFFSET_MS + sentMs, by: "t", event: { type: "pointed", x: seq, y: 0, off: false } };
}

test("the pointer is seen with the sound that was sent when it moved", () => {
  // Both are 150 ms on their way; the sound waits 1,200 ms more.
  expect(dueMs(OFFSET_MS + 1_000, 1_150, lag(1_200))).toBe(2_350);
});

test("a message that came late is not held back longer for that, and none is shown before it is here", () => {
  expect(dueMs(OFFSET_MS + 1_000, 1_900, lag(1_200))).toBe(2_350);
  expect(dueMs(OFFSET_MS + 1_000, 4_000, lag(1_200))).toBe(4_000);
});

test("a class that is called, or hears nothing live, sees at once what is pointed at", () => {
  for (const lagMs of [0, 40, 149]) expect(dueMs(OFFSET_MS, 900, lag(lagMs))).toBe(900);
});

test("without a clock, or with one that is wrong, nothing waits longer than the sound does", () => {
  expect(dueMs(OFFSET_MS, 500, { lagMs: 1_200, offsetMs: null, wayMs: 0 })).toBe(1_700);
  expect(dueMs(OFFSET_MS + 60_000, 500, lag(1_200))).toBe(1_700);
  expect(dueMs(OFFSET_MS + 60_000, 500, lag(60_000))).toBe(500 + MOST_MS);
});

test("events come out whole and in their order, however the lag changes while they wait", () => {
  const delay = new Delay();
  const lags = [1_200, 2_800, 300, 0, 1_500, 3_000];
  const seen: number[] = [];
  let seq = 0;
  for (let now = 0; now < 20_000; now += 50) {
    if (now < 15_000) delay.add(happened(++seq, now - 150 - ((seq * 7) % 5) * 40), now);
    seen.push(...delay.take(now, lag(lags[Math.floor(now / 2_500) % lags.length] ?? 0)).map((one) => one.seq));
  }
  expect(seen).toEqual(Array.from({ length: seq }, (_, n) => n + 1));
  expect(delay.nextMs(lag(1_000))).toBeNull();
});

test("a call that begins lets out all that waited", () => {
  const delay = new Delay();
  for (let n = 1; n <= 20; n++) delay.add(happened(n, n * 50), n * 50 + 150);
  expect(delay.take(1_150, lag(1_200))).toEqual([]);
  expect(delay.take(1_160, lag(0))).toHaveLength(20);
});
