import { expect, test } from "vitest";
import { activeRids, ALL_ALLOWED, attempts, CLASSROOM_BUDGETS, layersFor, shapes, TEACHER_BUDGETS } from "./encodings";

const CAMERA = TEACHER_BUDGETS.camera ?? { bitsPerSecond: 0 };
const SCREEN = TEACHER_BUDGETS.screen ?? { bitsPerSecond: 0 };
const SMALL = CLASSROOM_BUDGETS.camera ?? { bitsPerSecond: 0 };

const names = (height: number): string => layersFor("camera", CAMERA, height).map((one) => one.rid).join(" ");

test.each([
  [1080, "l m h"],
  [720, "l m h"],
  [540, "l h"],
  [360, "l h"],
  [240, "h"],
])("a camera of %i lines is sent in the layers %s", (height, rids) => {
  expect(names(height)).toBe(rids);
});

test("a camera that is not on yet is offered with all layers", () => {
  expect(names(0)).toBe("l m h");
});

test.each([360, 480, 540, 720, 1080])("the lowest layer of %i lines has 180, the best at most 720", (height) => {
  const plan = layersFor("camera", CAMERA, height);
  expect(height / (plan[0]?.scaleDownBy ?? 0)).toBeCloseTo(180);
  expect(height / (plan[plan.length - 1]?.scaleDownBy ?? 0)).toBe(Math.min(height, 720));
});

test("layers come lowest first, each with more than the one before", () => {
  for (const height of [360, 720]) {
    const rates = layersFor("camera", CAMERA, height).map((one) => one.bitsPerSecond);
    expect(rates).toEqual(rates.slice().sort((a, b) => a - b));
  }
});

test("a screen keeps its size in every layer: text must stay readable", () => {
  expect(layersFor("screen", SCREEN, 1080).map((one) => [one.rid, one.scaleDownBy, one.framesPerSecond])).toEqual([
    ["l", 1, 3],
    ["h", 1, 15],
  ]);
});

test("everything is sent until the server has said what is wanted", () => {
  const active = shapes("camera", CAMERA, ["l", "m", "h"], 720, null, ALL_ALLOWED).map((one) => one.active);
  expect(active).toEqual([true, true, true]);
});

test("what nobody takes rests", () => {
  const of = (...wanted: ("low" | "middle" | "high")[]): boolean[] =>
    shapes("camera", CAMERA, ["l", "m", "h"], 720, wanted, ALL_ALLOWED).map((one) => one.active);
  expect(of("low")).toEqual([true, false, false]);
  expect(of("low", "high")).toEqual([true, false, true]);
  expect(of()).toEqual([false, false, false]);
});

test("a wanted layer that the picture does not have is replaced by the next lower one, else by its only one", () => {
  const two = layersFor("camera", CAMERA, 360);
  expect(activeRids(two, ["middle"])).toEqual(["l"]);
  expect(activeRids(two, ["low", "middle"])).toEqual(["l"]);
  expect(activeRids(layersFor("camera", CAMERA, 240), ["low"])).toEqual(["h"]);
});

test("a smaller camera leaves offered layers at rest and never grows a picture", () => {
  const now = shapes("camera", CAMERA, ["l", "m", "h"], 360, null, ALL_ALLOWED);
  expect(now.map((one) => one.active)).toEqual([true, false, true]);
  expect(Math.min(...now.map((one) => one.scaleResolutionDownBy))).toBe(1);
});

test("what the link forbids rests, whatever is wanted", () => {
  const forbidden = { camera: false, screen: true, cameraBps: null, voiceBps: null };
  expect(shapes("camera", CAMERA, ["l", "m", "h"], 720, ["low", "high"], forbidden).some((one) => one.active)).toBe(false);
  expect(shapes("screen", SCREEN, ["l", "h"], 720, ["low"], forbidden).map((one) => one.active)).toEqual([true, false]);
});

test("an answer without layers gets the whole picture in the one that is left", () => {
  for (const rids of [["l"], [""]]) {
    expect(shapes("camera", CAMERA, rids, 720, ["low"], ALL_ALLOWED)).toEqual([
      { active: true, maxBitrate: 900_000, maxFramerate: 24, scaleResolutionDownBy: 1 },
    ]);
  }
});

test("a classroom's camera takes what its microphone leaves, and never more than its budget", () => {
  const rate = (bps: number): number | undefined =>
    shapes("camera", SMALL, [""], 360, null, { camera: true, screen: true, cameraBps: bps, voiceBps: null })[0]?.maxBitrate;
  expect(rate(90_000)).toBe(90_000);
  expect(rate(900_000)).toBe(250_000);
});

test("a browser without layers is offered one encoding, and at last none", () => {
  const tries = attempts("camera", CAMERA, 720, false);
  expect(Math.max(...tries.map((one) => one.length))).toBe(1);
  expect(tries[tries.length - 1]).toEqual([]);
});

test("layers with temporal layers are tried first, then layers, then one picture", () => {
  const tries = attempts("camera", CAMERA, 720, true);
  expect(tries[0]?.map((one) => [one.rid, one.scalabilityMode])).toEqual([["l", "L1T2"], ["m", "L1T2"], ["h", "L1T2"]]);
  expect(tries[1]?.map((one) => [one.rid, one.scalabilityMode])).toEqual([["l", undefined], ["m", undefined], ["h", undefined]]);
  expect(tries[2]).toHaveLength(1);
});

test("sound comes before the screen on the wire, the screen before the camera", () => {
  const first = (line: "microphone" | "camera" | "screen"): string | undefined =>
    attempts(line, line === "screen" ? SCREEN : CAMERA, 720, true)[0]?.[0]?.networkPriority;
  expect([first("microphone"), first("screen"), first("camera")]).toEqual(["high", "medium", undefined]);
});

test("only the first layer has a weight: Chromium refuses layers with several", () => {
  const weights = attempts("screen", SCREEN, 720, true)[0]?.map((one) => one.priority);
  expect(weights).toEqual(["medium", undefined]);
});
