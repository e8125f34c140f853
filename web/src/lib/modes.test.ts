import { expect, test } from "vitest";
import { constraintsFor } from "./devices";
import { layersFor, shapes, ALL_ALLOWED, TEACHER_BUDGETS } from "./encodings";
import type { Mode } from "../generated/messages";
import { MODES, planOf } from "./modes";

const ALL: readonly Mode[] = ["speech", "music", "detail", "motion"];

const sound = (mode: Mode): unknown => {
  const { picture, sound: wish } = MODES[mode].capture;
  return constraintsFor("microphone", "", picture, wish).audio;
};

test("music is taken in both channels and as it is, all else cleaned and in one", () => {
  const clean = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const raw = { channelCount: { ideal: 2 }, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  expect(ALL.map(sound)).toEqual([clean, raw, clean, clean]);
  expect(ALL.map((mode) => MODES[mode].stereo)).toEqual([false, true, false, false]);
});

test("music has 96 to 128 kbit/s where the link allows, and less where it does not", () => {
  expect(MODES.music.soundBps.slice(0, 2)).toEqual([128_000, 96_000]);
  expect(MODES.music.soundBps.slice().sort((a, b) => b - a)).toEqual(MODES.music.soundBps);
  expect(MODES.speech.soundBps).toEqual([TEACHER_BUDGETS.microphone?.bitsPerSecond]);
});

test("speech is what a lesson is without any mode, also for a mode that is not known", () => {
  expect(MODES.speech.camera).toBe(TEACHER_BUDGETS.camera);
  expect(planOf("dance")).toBe(MODES.speech);
  expect(planOf("toString")).toBe(MODES.speech);
});

test("detail has more lines and fewer frames than speech, motion more frames, and each gives up the other last", () => {
  const { speech, detail, motion } = MODES;
  expect(detail.capture.picture.height).toBeGreaterThan(speech.capture.picture.height);
  expect(detail.capture.picture.framesPerSecond).toBeLessThan(speech.capture.picture.framesPerSecond);
  expect(motion.capture.picture.framesPerSecond).toBeGreaterThan(speech.capture.picture.framesPerSecond);
  expect([detail.hint, detail.keep]).toEqual(["detail", "maintain-resolution"]);
  expect([motion.hint, motion.keep]).toEqual(["motion", "maintain-framerate"]);
});

test("in detail the layers have 360, 540 and 1080 lines, at no more frames than are captured", () => {
  const plan = layersFor("camera", MODES.detail.camera, 1080);
  expect(plan.map((one) => 1080 / one.scaleDownBy)).toEqual([360, 540, 1080]);
  expect(plan.map((one) => one.framesPerSecond)).toEqual([5, 10, 10]);
});

test("a camera that was offered in three layers keeps sending whatever the mode and its size", () => {
  for (const mode of ALL) {
    for (const height of [180, 360, 720, 1080]) {
      const now = shapes("camera", MODES[mode].camera, ["l", "m", "h"], height, null, ALL_ALLOWED);
      expect(now.map((one) => one.active)).toContain(true);
      for (const one of now) expect(one.scaleResolutionDownBy).toBeGreaterThanOrEqual(1);
    }
  }
});
