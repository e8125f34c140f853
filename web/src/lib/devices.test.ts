import { expect, test } from "vitest";
import { browserOf, constraintsFor, documentCameras, TEACHER_PICTURE, troubleOf } from "./devices";
import { loudness } from "./level";

test.each([
  ["NotAllowedError", "refused"],
  ["SecurityError", "refused"],
  ["NotFoundError", "notfound"],
  ["OverconstrainedError", "notfound"],
  ["NotReadableError", "busy"],
  ["AbortError", "busy"],
])("%s means %s", (name, trouble) => {
  expect(troubleOf({ name })).toBe(trouble);
});

test("an error of any shape has a meaning", () => {
  for (const odd of [null, undefined, "x", 7, {}]) expect(troubleOf(odd)).toBe("busy");
});

test.each([
  ["Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0", "chromium"],
  ["Mozilla/5.0 (X11; rv:120.0) Gecko/20100101 Firefox/120.0", "firefox"],
  ["Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/14.0 Safari/605.1.15", "safari"],
])("the words fit the browser: %s", (agent, browser) => {
  expect(browserOf(agent)).toBe(browser);
});

test("silence reads nothing, full scale reads all, a voice in between", () => {
  const wave = (peak: number): Uint8Array => Uint8Array.from({ length: 1024 }, (_, i) => 128 + Math.round(peak * Math.sin(i / 5)));
  expect(loudness(wave(0))).toBe(0);
  expect(loudness(Uint8Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 0 : 255)))).toBeCloseTo(1, 2);
  expect(loudness(wave(6))).toBeGreaterThan(0.35);
  expect(loudness(wave(1))).toBeLessThan(0.35);
});

test("the document camera is any camera but the one that shows the person", () => {
  const cameras = [{ id: "a", label: "Front" }, { id: "b", label: "USB" }, { id: "", label: "" }];
  expect(documentCameras(cameras, "a").map((one) => one.id)).toEqual(["b"]);
});

test("without a wish a microphone is made for speech, and a device that is named is that device", () => {
  expect(constraintsFor("microphone", "x", TEACHER_PICTURE)).toEqual({
    audio: { deviceId: { exact: "x" }, channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
});
