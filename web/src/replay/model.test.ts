import { describe, expect, test } from "vitest";
import type { Replay } from "../lib/api";
import { askAgainMs, isExpired, isFinal, isGrowing, momentsOf, onStage, retryMs, sameList, viewOf } from "./model";

type State = Replay["lesson"]["state"];
type Recording = Replay["recording"]["state"];

function replay(state: State, recording: Recording, main = true, clips: Replay["clips"] = []): Replay {
  return {
    lesson: { id: "l", title: "", language: "", state, started_at_ms: null },
    recording: { state: recording, duration_s: 100, bytes: 0, problem: "" },
    main: main ? { url: "/media/l/main.m3u8" } : null,
    light: null,
    parts: [
      { starts_at_s: 0, duration_s: 50, began_at_ms: 1 },
      { starts_at_s: 50, duration_s: 50, began_at_ms: 9 },
    ],
    clips,
  };
}

function clip(id: string, kind: "screen" | "voice" | "classroom", starts_at_s: number): Replay["clips"][number] {
  return { id, kind, name: id, starts_at_s, duration_s: 10, url: "", ended: true };
}

describe("what is shown", () => {
  test.each<[State, Recording, boolean, string, number | null]>([
    ["waiting", "off", false, "waiting", 5000],
    ["live", "recording", false, "preparing", 2000],
    ["live", "paused", false, "preparing", 2000],
    ["live", "off", false, "unrecorded", 5000],
    ["live", "recording", true, "play", 5000],
    ["live", "stopped", true, "play", 5000],
    ["ended", "recording", true, "play", 5000],
    ["ended", "finished", true, "play", null],
    ["ended", "stopped", true, "play", null],
    ["ended", "off", false, "nothing", null],
  ])("lesson %s, recording %s, main %s: %s, asked again after %s ms", (state, recording, main, view, again) => {
    const now = replay(state, recording, main);
    expect(viewOf(now)).toBe(view);
    expect(askAgainMs(now)).toBe(again);
    expect(isGrowing(now)).toBe(again !== null);
  });
});

test("moments are in order; the first part is no join", () => {
  const found = momentsOf(replay("ended", "finished", true, [clip("a", "voice", 70), clip("b", "screen", 5)]));
  expect(found.map((one) => [one.kind, one.at_s])).toEqual([
    ["screen", 5],
    ["part", 50],
    ["voice", 70],
  ]);
});

test("the newest screen that is on takes the stage, and nothing but a screen does", () => {
  const clips = [clip("old", "screen", 5), clip("new", "screen", 9), clip("voice", "voice", 12)];
  expect(onStage(clips, ["old", "new", "voice"])).toBe("new");
  expect(onStage(clips, ["old"])).toBe("old");
  expect(onStage(clips, ["voice"])).toBeNull();
  expect(onStage(clips, [])).toBeNull();
});

test("retries never come closer than 0.75 s nor further apart than 19 s, and spread", () => {
  for (let failures = 0; failures < 100; failures++) {
    expect(retryMs(failures, 0)).toBeGreaterThanOrEqual(750);
    expect(retryMs(failures, 0.999)).toBeLessThanOrEqual(19_000);
    expect(retryMs(failures, 0.9)).toBeGreaterThan(retryMs(failures, 0.1));
  }
});

test("an expired address is renewed; a missing file is not taken for one", () => {
  expect([401, 403, 404, 410, 500, 0].filter(isExpired)).toEqual([401, 403, 410]);
  expect([401, 403, 404, 410, 429, 500, 0].filter(isFinal)).toEqual([401, 403, 404, 410]);
});

test("the same list stays the same object", () => {
  const old = ["a", "b"];
  expect(sameList(old, ["a", "b"])).toBe(old);
  expect(sameList(old, ["b", "a"])).toEqual(["b", "a"]);
});
