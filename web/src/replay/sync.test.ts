import { describe, expect, test } from "vitest";
import {
  type ClipReading,
  DRIFT_JUMPED_S,
  DRIFT_NUDGED_S,
  FRESH,
  type MainReading,
  PRELOAD_S,
  type Span,
  type SyncState,
  isNear,
  isOn,
  liveTarget,
  possibleRate,
  steer,
} from "./sync";

const TICK_S = 0.1;

/** A video element in virtual time: a jump takes `landing_s`, during which it shows nothing new. */
class Element {
  position_s = 0;
  rate = 1;
  playing = false;
  jumps = 0;
  rates: number[] = [];
  private landsIn_s = 0;
  constructor(
    readonly landing_s: number,
    readonly available_s: number,
    readonly clockError = 0,
  ) {}

  advance(seconds: number): void {
    const standing = Math.min(this.landsIn_s, seconds);
    this.landsIn_s -= standing;
    if (this.playing) this.position_s += (seconds - standing) * this.rate * (1 + this.clockError);
    this.position_s = Math.min(this.position_s, this.available_s);
  }

  jump(to_s: number): void {
    this.position_s = to_s;
    this.landsIn_s = this.landing_s;
    this.jumps += 1;
  }

  reading(): ClipReading {
    const seeking = this.landsIn_s > 0;
    return { position_s: this.position_s, available_s: this.available_s, seeking, hasData: !seeking };
  }
}

/** Plays main and clip for `seconds`; returns the drift at each tick. */
function play(
  clip: Span,
  element: Element,
  main: { position_s: number; rate: number; running: boolean },
  seconds: number,
  hasSound = false,
): number[] {
  let state: SyncState = FRESH;
  const drifts: number[] = [];
  for (let now = 0; now < seconds; now += TICK_S) {
    const reading: MainReading = { ...main };
    const next = steer(clip, reading, element.reading(), state, hasSound, now);
    state = next.state;
    if (next.seek_s !== null) element.jump(next.seek_s);
    element.playing = next.play;
    element.rate = next.rate;
    element.rates.push(next.rate);
    drifts.push(element.position_s - (main.position_s - clip.starts_at_s));
    if (main.running) main.position_s += TICK_S * main.rate;
    element.advance(TICK_S);
  }
  return drifts;
}

const screen: Span = { starts_at_s: 100, duration_s: 60, ended: true };

describe("when a clip is on", () => {
  test.each([
    [79, false, false],
    [100 - PRELOAD_S, false, true],
    [99.99, false, true],
    [100, true, true],
    [159.99, true, true],
    [160, false, true],
    [175, false, false],
  ])("at %d s it is on: %s, loaded: %s", (position, on, near) => {
    expect(isOn(screen, position)).toBe(on);
    expect(isNear(screen, position)).toBe(near);
  });

  test("one still being recorded reaches to the end of what is there", () => {
    const running = { ...screen, ended: false };
    expect(isOn(running, 1000)).toBe(true);
    expect(isNear(running, 1000)).toBe(true);
  });
});

describe("in step", () => {
  test.each([0.75, 1, 1.25, 1.5, 2])("a jump into the middle at %dx is in step within 4 s and stays so", (rate) => {
    for (const landing of [0.02, 0.15, 0.3, 0.6]) {
      const element = new Element(landing, 60);
      const drifts = play(screen, element, { position_s: 130, rate, running: true }, 14);
      for (const off of drifts.slice(40)) expect(Math.abs(off)).toBeLessThanOrEqual(DRIFT_NUDGED_S + 0.03);
    }
  });

  test("a clock that runs 1% off is held within 100 ms without a single jump", () => {
    for (const error of [-0.01, 0.01]) {
      const element = new Element(0.2, 60, error);
      const drifts = play(screen, element, { position_s: 100, rate: 1, running: true }, 50);
      expect(element.jumps).toBe(0);
      expect(Math.max(...drifts.map(Math.abs))).toBeLessThan(0.1);
    }
  });

  test("speech is never nudged by more than 8%, a silent screen by at most 25%", () => {
    for (const [sound, most] of [
      [true, 0.08],
      [false, 0.25],
    ] as const) {
      const element = new Element(0.1, 60);
      element.position_s = 0.4;
      play(screen, element, { position_s: 100, rate: 1, running: true }, 15, sound);
      expect(element.jumps).toBe(0);
      expect(Math.max(...element.rates.map((rate) => Math.abs(rate - 1)))).toBeLessThanOrEqual(most + 1e-9);
      expect(Math.min(...element.rates)).toBeLessThan(1);
    }
  });

  test("a jump that lands late is not followed by another before it could land", () => {
    const element = new Element(1, 60);
    play(screen, element, { position_s: 120, rate: 1, running: true }, 1.2);
    expect(element.jumps).toBe(1);
  });

  test("small drift is left alone", () => {
    const element = new Element(0.1, 60);
    element.position_s = 0.06;
    play(screen, element, { position_s: 100, rate: 1, running: true }, 2);
    expect(element.jumps).toBe(0);
    expect(new Set(element.rates)).toEqual(new Set([1]));
  });
});

describe("standing still", () => {
  test("a paused lesson shows the very picture of its moment", () => {
    const element = new Element(0.1, 60);
    element.position_s = 3;
    element.playing = true;
    const drifts = play(screen, element, { position_s: 142, rate: 1, running: false }, 2);
    expect(element.playing).toBe(false);
    expect(Math.abs(drifts.at(-1) ?? 1)).toBeLessThan(0.001);
    expect(element.jumps).toBe(1);
  });

  test("main waiting for data stops the clip, so that it does not run ahead", () => {
    const next = steer(
      screen,
      { position_s: 110, running: false, rate: 1.5 },
      { position_s: 10, available_s: 60, seeking: false, hasData: true },
      FRESH,
      false,
      0,
    );
    expect(next.play).toBe(false);
    expect(next.seek_s).toBeNull();
  });

  test("a clip that comes soon waits at its first frame", () => {
    const element = new Element(0.1, 60);
    element.position_s = 30;
    play(screen, element, { position_s: 90, rate: 1, running: true }, 5);
    expect(element.position_s).toBe(0);
    expect(element.playing).toBe(false);
    expect(element.jumps).toBe(1);
  });
});

describe("while the lesson runs", () => {
  const running: Span = { ...screen, ended: false };

  test("a clip that is a fragment behind the main picture holds its newest frame and is not chased", () => {
    const element = new Element(0.1, 20);
    play(running, element, { position_s: 122, rate: 1, running: true }, 6);
    expect(element.jumps).toBe(1);
    expect(element.position_s).toBeGreaterThan(19.8);
  });

  test("near the newest second only speed 1 is possible, and slower speeds stay", () => {
    expect(possibleRate(2, 290, 300, true)).toBe(1);
    expect(possibleRate(2, 200, 300, true)).toBe(2);
    expect(possibleRate(0.75, 290, 300, true)).toBe(0.75);
    expect(possibleRate(2, 290, 300, false)).toBe(2);
  });

  test("live is never before the beginning", () => {
    expect(liveTarget(3)).toBe(0);
    expect(liveTarget(300)).toBeLessThan(300 - DRIFT_JUMPED_S);
  });
});
