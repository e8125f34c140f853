import { expect, test } from "vitest";
import { deepened, type Depth, DRAIN_MS, type Heard, LISTEN_LEAST_MS, LISTEN_MOST_MS, LISTEN_START_MS, mustFlush, START } from "./playout";

const CALM: Heard = { nowMs: 0, jitterMs: 10, rttMs: 60, loss: 0, concealed: 0 };

function over(seconds: number, heard: Partial<Heard>, from: Depth = START, at = 0): Depth {
  let depth = from;
  for (let s = 0; s < seconds; s += 2) depth = deepened(depth, { ...CALM, ...heard, nowMs: at + s * 1000 });
  return depth;
}

test("listening begins deep enough for one repair, and sinks slowly where nothing is lost", () => {
  expect(START.listenMs).toBe(LISTEN_START_MS);
  expect(over(10, {}).listenMs).toBe(LISTEN_START_MS);
  expect(over(120, {}).listenMs).toBe(LISTEN_LEAST_MS);
});

test("made-up sound deepens it at once, up to what a browser can keep", () => {
  expect(over(2, { concealed: 0.02 }).listenMs).toBeGreaterThan(LISTEN_START_MS);
  expect(over(60, { concealed: 0.02 }).listenMs).toBe(LISTEN_MOST_MS);
});

test("a long and lossy line needs more by its figures alone", () => {
  expect(over(2, { rttMs: 600, jitterMs: 40, loss: 0.08 }).listenMs).toBe(1_850);
  expect(over(300, { rttMs: 600, jitterMs: 40, loss: 0.08 }).listenMs).toBe(1_850);
});

test("it is within its bounds whatever is measured", () => {
  for (const rttMs of [null, 0, 5_000, 1e6]) {
    for (const jitterMs of [0, 300, 1e5]) {
      const { listenMs } = over(30, { rttMs, jitterMs, loss: 1, concealed: 1 });
      expect(listenMs).toBeGreaterThanOrEqual(LISTEN_LEAST_MS);
      expect(listenMs).toBeLessThanOrEqual(LISTEN_MOST_MS);
    }
  }
});

test("a called class drains by itself first, and only what is left is flushed", () => {
  expect(mustFlush(0, 1_200)).toBe(false);
  expect(mustFlush(DRAIN_MS, 700)).toBe(true);
  expect(mustFlush(DRAIN_MS, 120)).toBe(false);
  expect(mustFlush(DRAIN_MS, null)).toBe(false);
});
