import { expect, test } from "vitest";
import {
  allowed,
  LEAST_PICTURE_BPS,
  MOST_PATIENCE_MS,
  PATIENCE_MS,
  STEPS_BPS,
  UPLINK,
  type UplinkState,
  uplinkStep,
  VOICE_BPS,
} from "./uplink";
import { LOW_VOICE_BPS } from "./uplink-voice";

const THIN = VOICE_BPS + LEAST_PICTURE_BPS - 1;
const ROOMY = 2_000_000;

interface Run {
  state: UplinkState;
  atMs: number;
}

/** A sample each second. */
function after(run: Run, seconds: number, availableBps: number | null, what: { camera?: boolean; screen?: boolean } = {}): Run {
  let { state, atMs } = run;
  for (let i = 0; i < seconds; i += 1) {
    atMs += 1_000;
    state = uplinkStep(state, { atMs, availableBps, camera: what.camera ?? true, screen: what.screen ?? false });
  }
  return { state, atMs };
}

const begin: Run = { state: UPLINK, atMs: 0 };

test("a dip of three seconds takes no picture away", () => {
  const dip = after(begin, 4, THIN);
  expect(dip.state.rest).toBe("none");
  expect(after(after(dip, 1, ROOMY), 4, THIN).state.rest).toBe("none");
});

test("a link that holds only the voice for four seconds carries only the voice", () => {
  const run = after(begin, 5, THIN);
  expect(run.state.rest).toBe("camera");
  expect(allowed(run.state).camera).toBe(false);
});

test("a link that barely holds the voice loses the picture sooner", () => {
  expect(after(begin, 2, VOICE_BPS).state.rest).toBe("none");
  expect(after(begin, 3, VOICE_BPS).state.rest).toBe("camera");
});

test("the screen goes after the camera, and only if that was not enough", () => {
  const run = after(begin, 5, THIN, { screen: true });
  expect(allowed(run.state)).toMatchObject({ camera: false, screen: true });
  expect(after(run, 5, ROOMY, { screen: true }).state.rest).toBe("camera");
  expect(after(run, 5, THIN, { screen: true }).state.rest).toBe("pictures");
});

test("pictures come back one by one, after fifteen seconds of room each", () => {
  const dark = after(after(begin, 5, THIN, { screen: true }), 5, THIN, { screen: true });
  const screen = after(dark, PATIENCE_MS / 1_000 + 1, VOICE_BPS + 1, { screen: true });
  expect(screen.state.rest).toBe("camera");
  const all = after(screen, PATIENCE_MS / 1_000 + 1, ROOMY, { screen: true });
  expect(all.state.rest).toBe("none");
});

test("room is counted from the moment it is there, not from the pause", () => {
  const paused = after(begin, 5, THIN);
  const without = after(paused, 60, VOICE_BPS - 1);
  expect(without.state.rest).toBe("camera");
  expect(after(without, 10, ROOMY).state.rest).toBe("camera");
  expect(after(without, 21, ROOMY).state.rest).toBe("none");
});

test("a link that does not hold the voice gets a smaller one, and no picture before the voice is whole again", () => {
  const silent = after(begin, 5, 45_000);
  expect(allowed(silent.state)).toMatchObject({ camera: false, voiceBps: LOW_VOICE_BPS });
  let run = silent;
  while (run.state.rest !== "none") {
    run = after(run, 1, VOICE_BPS * 1.2);
    if (run.state.voice.low) expect(run.state.rest).toBe("camera");
  }
  expect(allowed(run.state).voiceBps).toBeNull();
});

test("every return that fails makes the next one wait longer, up to two minutes", () => {
  let run = begin;
  const waits: number[] = [];
  for (let i = 0; i < 6; i += 1) {
    run = after(run, 20, THIN);
    while (run.state.rest !== "none") run = after(run, 1, ROOMY);
    waits.push(run.state.patienceMs);
  }
  expect(waits).toEqual([PATIENCE_MS, 30_000, 60_000, 120_000, MOST_PATIENCE_MS, MOST_PATIENCE_MS]);
});

test("a picture that stayed for a minute is trusted again", () => {
  let run = after(after(begin, 5, THIN), 16, ROOMY);
  run = after(after(run, 15, THIN), 31, ROOMY);
  expect(run.state.patienceMs).toBe(30_000);
  expect(after(run, 61, ROOMY).state.patienceMs).toBe(PATIENCE_MS);
});

test("a return is given time to find out what the link carries", () => {
  const back = after(after(begin, 5, THIN), 17, VOICE_BPS + 1);
  expect(back.state.rest).toBe("none");
  expect(after(back, 6, THIN).state.rest).toBe("none");
});

test("a page that shows nothing loses nothing on a thin link", () => {
  expect(after(begin, 60, THIN, { camera: false }).state.rest).toBe("none");
});

test("a browser that tells no rate is left alone, in whatever state it is", () => {
  expect(after(begin, 60, null).state.rest).toBe("none");
  const paused = after(begin, 5, THIN);
  expect(after(paused, 60, null).state.rest).toBe("camera");
});

test("a camera without layers falls at once to what is left, and climbs one step at a time", () => {
  const fallen = after(begin, 1, VOICE_BPS + 70_000);
  expect(allowed(fallen.state).cameraBps).toBe(60_000);
  const rates: (number | null)[] = [];
  let run = fallen;
  for (let i = 0; i < 30; i += 1) {
    run = after(run, 1, ROOMY);
    const now = allowed(run.state).cameraBps;
    if (rates[rates.length - 1] !== now) rates.push(now);
  }
  expect(rates).toEqual(STEPS_BPS.slice());
});

test("a camera never asks for more than is left beside the voice", () => {
  let run = begin;
  for (const bps of [ROOMY, 300_000, 150_000, 240_000, 130_000, 500_000]) {
    run = after(run, 20, bps);
    if (run.state.rest === "none") expect((allowed(run.state).cameraBps ?? 0) + VOICE_BPS).toBeLessThanOrEqual(Math.max(bps, VOICE_BPS + 60_000));
  }
});

test("a call begins with the smallest camera, so that a thin uplink holds its first words", () => {
  expect(allowed(UPLINK).cameraBps).toBe(STEPS_BPS[0]);
  // 300 kbit/s is what a browser believes before it has measured anything; 100 is what it finds out.
  let run = after(begin, 2, 300_000);
  const most = allowed(run.state).cameraBps ?? 0;
  run = after(run, 5, 100_000);
  expect(most).toBe(STEPS_BPS[0]);
  expect(allowed(run.state).camera).toBe(false);
});

test("on a good line the camera is at its best within ten seconds", () => {
  const rates = [1, 3, 5, 7, 9].map((seconds) => allowed(after(begin, seconds, ROOMY).state).cameraBps);
  expect(rates).toEqual(STEPS_BPS.slice());
});

test("once a step was too much, every climb takes its time", () => {
  const fallen = after(after(begin, 4, ROOMY), 1, VOICE_BPS + STEPS_BPS[0]);
  expect(allowed(after(fallen, 5, ROOMY).state).cameraBps).toBe(STEPS_BPS[0]);
  expect(allowed(after(fallen, 6, ROOMY).state).cameraBps).toBe(STEPS_BPS[1]);
});

test("a camera that is not sent climbs nowhere: what the link holds does not show", () => {
  expect(after(begin, 60, ROOMY, { camera: false }).state.step).toBe(0);
  const climbed = after(begin, 5, ROOMY);
  expect(after(climbed, 60, ROOMY, { camera: false }).state.step).toBe(climbed.state.step);
});

test("a browser that tells no rate is given a middling camera after a while", () => {
  expect(allowed(after(begin, 3, null).state).cameraBps).toBe(STEPS_BPS[0]);
  expect(allowed(after(begin, 60, null).state).cameraBps).toBe(STEPS_BPS[2]);
});
