import { expect, test } from "vitest";
import { onTheWire, SOUND, type SoundState, soundStep, UP_ROOM } from "./uplink-sound";

const RATES = [128_000, 96_000, 64_000];

/** A look each second. */
function after(state: SoundState, fromS: number, seconds: number, bps: number | null): SoundState {
  let now = state;
  for (let i = 1; i <= seconds; i += 1) now = soundStep(now, RATES, (fromS + i) * 1_000, bps);
  return now;
}

test("music keeps its best rate where the link holds it, and where the browser does not tell", () => {
  expect(after(SOUND, 0, 60, onTheWire(128_000)).place).toBe(0);
  expect(after(SOUND, 0, 60, null).place).toBe(0);
});

test("a dip of two seconds lowers nothing, a thin link does, step by step down to the last", () => {
  expect(after(after(SOUND, 0, 2, 100_000), 2, 1, 500_000).place).toBe(0);
  expect(after(SOUND, 0, 3, onTheWire(96_000)).place).toBe(1);
  expect(after(SOUND, 0, 30, onTheWire(96_000)).place).toBe(1);
  expect(after(SOUND, 0, 30, 30_000).place).toBe(2);
});

test("it climbs one step at a time where there is room to spare", () => {
  const low = after(SOUND, 0, 30, 30_000);
  expect(after(low, 30, 60, onTheWire(96_000) * 1.1).place).toBe(2);
  expect(after(low, 30, 60, onTheWire(96_000) * UP_ROOM).place).toBe(1);
  expect(after(low, 30, 10, 1e6).place).toBe(1);
  expect(after(low, 30, 20, 1e6).place).toBe(0);
});

test("a mode with one rate has that one", () => {
  expect(soundStep(after(SOUND, 0, 30, 30_000), [32_000], 31_000, 30_000).place).toBe(0);
});
