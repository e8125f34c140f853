/** Laws of playing in step, in virtual time. */

import { describe, expect, test } from "vitest";
import { positionOf, stepOf, type ElementState } from "./in-step";

const AT = 1_700_000_000_000;
const playing = { playing: true, position_ms: 10_000, at_ms: AT };
const paused = { ...playing, playing: false };
const element = (more: Partial<ElementState>): ElementState => ({ time_s: 0, paused: false, ready: true, ...more });

/** An element that is stepped every 250 ms; each seek costs it `seekCost_s` of silence. Returns how far behind it was. */
function lived(seconds: number, start_s: number, seekCost_s: number, speed = 1): { behind_s: number[]; seeks: number } {
  let time_s = start_s;
  let stopped = true;
  let rate = 1;
  let silentFor_s = 0;
  let soughtAt_s: number | null = null;
  let seeks = 0;
  const behind_s: number[] = [];
  const tick = 0.25;
  for (let n = 0; n * tick < seconds; n++) {
    const now_s = n * tick;
    const since_seek_s = soughtAt_s === null ? null : now_s - soughtAt_s;
    const step = stepOf(playing, AT + now_s * 1000, { time_s, paused: stopped, ready: silentFor_s <= 0, since_seek_s });
    if (step.seek_s !== null) {
      [time_s, silentFor_s, soughtAt_s] = [step.seek_s, seekCost_s, now_s];
      seeks++;
    }
    stopped = !step.play;
    rate = step.rate;
    const sounds_s = Math.max(0, tick - silentFor_s);
    silentFor_s = Math.max(0, silentFor_s - tick);
    if (!stopped) time_s += sounds_s * rate * speed;
    behind_s.push(10 + now_s + tick - time_s);
  }
  return { behind_s, seeks };
}

test("the position moves with the server's clock while it plays, and stands while it does not", () => {
  expect(positionOf(playing, AT + 2_500)).toBe(12.5);
  expect(positionOf(paused, AT + 2_500)).toBe(10);
  expect(positionOf(playing, AT - 300)).toBe(10);
});

describe("one step", () => {
  test("leaves alone what is in step", () => {
    expect(stepOf(playing, AT + 1_000, element({ time_s: 11.02 }))).toEqual({ play: true, seek_s: null, rate: 1 });
  });

  test("goes faster when a little behind and slower when a little ahead, never by more than a tenth", () => {
    for (const behind of [0.05, 0.2, 0.49]) {
      const { rate, seek_s } = stepOf(playing, AT, element({ time_s: 10 - behind }));
      expect(seek_s).toBeNull();
      expect(rate).toBeGreaterThan(1);
      expect(rate).toBeLessThanOrEqual(1.1);
      expect(stepOf(playing, AT, element({ time_s: 10 + behind })).rate).toBeCloseTo(2 - rate);
    }
  });

  test("seeks when far off, and a little ahead as seeking takes its time", () => {
    const { play, seek_s } = stepOf(playing, AT + 5_000, element({ time_s: 10 }));
    expect(play).toBe(true);
    expect(seek_s).toBeCloseTo(15.1);
  });

  test("stands exactly where the player stands while it is paused", () => {
    expect(stepOf(paused, AT + 9_000, element({ time_s: 14 }))).toEqual({ play: false, seek_s: 10, rate: 1 });
    expect(stepOf(paused, AT + 9_000, element({ time_s: 10 }))).toEqual({ play: false, seek_s: null, rate: 1 });
  });

  test("does not begin what is not loaded, nor stops what seeks", () => {
    expect(stepOf(playing, AT, element({ ready: false, paused: true })).play).toBe(false);
    expect(stepOf(playing, AT, element({ ready: false, paused: false })).play).toBe(true);
    expect(stepOf(paused, AT, element({ ready: false, paused: false })).play).toBe(false);
    expect(stepOf(playing, AT + 60_000, element({ ready: false })).seek_s).toBeNull();
  });

  test("ends at the end and does not begin again", () => {
    expect(stepOf(playing, AT + 60_000, element({ time_s: 20, duration_s: 20 }))).toEqual({ play: false, seek_s: null, rate: 1 });
    expect(stepOf(playing, AT + 60_000, element({ time_s: 3, duration_s: 20 })).seek_s).toBe(20);
  });
});

describe("a room", () => {
  test("is within 200 ms after five seconds and stays so, however fast it seeks", () => {
    for (const seekCost_s of [0, 0.1, 0.3, 0.6]) {
      const { behind_s } = lived(60, 0, seekCost_s);
      expect(Math.max(...behind_s.slice(20).map(Math.abs))).toBeLessThan(0.2);
      expect(Math.max(...behind_s.slice(40).map(Math.abs))).toBeLessThan(0.1);
    }
  });

  test("that seeks slowly seeks once, not for ever", () => {
    const { seeks, behind_s } = lived(60, 0, 1.4);
    expect(seeks).toBeLessThanOrEqual(2);
    expect(Math.abs(behind_s[behind_s.length - 1] ?? 9)).toBeLessThan(0.1);
  });

  test("whose clock runs wrong by a thousandth is kept in step without a seek", () => {
    for (const speed of [0.999, 1.001]) {
      const { seeks, behind_s } = lived(600, 10, 0.1, speed);
      expect(seeks).toBe(0);
      expect(Math.max(...behind_s.map(Math.abs))).toBeLessThan(0.1);
    }
  });
});
