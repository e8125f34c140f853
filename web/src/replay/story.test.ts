/** Laws of a story: time of events, and that jumping shows what playing through shows. */

import { expect, test } from "vitest";
import { inksOf } from "../board/state";
import type { BoardEvent, Happened } from "../generated/messages";
import { FIRST_SCENE, type Part, type Scene, Story, momentOf, sceneAfter, secondOf } from "./story";

const T0 = 1_795_000_000_000;
const PARTS: readonly Part[] = [
  { starts_at_s: 0, duration_s: 10, began_at_ms: T0 },
  { starts_at_s: 10, duration_s: 20, began_at_ms: T0 + 60_000 },
];

/** Numbers that look random and are the same each time. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

/** A lesson of so many events: strokes on several pages, undone and brought back, pages turned, chat, a laser. */
function lesson(count: number, seed: number, spread_ms = 50): Happened[] {
  const next = chance(seed);
  const log: Happened[] = [];
  const pages = ["b.1", "b.2", "deck01.1", "deck01.2"];
  const drawn: { id: string; page: string }[] = [];
  let page = "b.1";
  let open: { id: string; page: string } | null = null;
  const event = (): BoardEvent => {
    const what = next(100);
    if (open !== null && what < 70) {
      const done = next(15) === 0;
      const grew: BoardEvent = { type: "stroke_grew", ...open, points: [next(90) - 45, next(90) - 45, 0, 3, 4, 0], done };
      if (done) open = null;
      return grew;
    }
    if (what < 80) {
      open = { id: `stroke${seed}x${log.length}`, page };
      drawn.push(open);
      return { type: "stroke_begun", ...open, tool: "pen", color: "#1e2a2f", width: 40, points: [next(9000), next(5000), 50] };
    }
    const some = drawn[next(Math.max(1, drawn.length))];
    if (what < 84 && some !== undefined) return { type: "strokes_hidden", page: some.page, ids: [some.id], cause: "undo" };
    if (what < 86 && some !== undefined) return { type: "strokes_shown", page: some.page, ids: [some.id], cause: "redo" };
    if (what < 93) return { type: "pointed", x: next(10_000), y: next(5000) };
    if (what < 97) return { type: "said", name: "Lin", role: "teacher", text: `line ${log.length}` };
    page = pages[next(pages.length)] ?? "b.1";
    return { type: "stage_shown", stage: "page", page };
  };
  let at_ms = T0;
  for (let n = 0; n < count; n++) {
    at_ms += next(spread_ms);
    log.push({ type: "happened", seq: n + 1, at_ms, by: "a", event: event() });
  }
  return log;
}

const whole = (log: readonly Happened[]): Part => ({
  starts_at_s: 0,
  duration_s: ((log[log.length - 1]?.at_ms ?? T0) - T0) / 1000 + 1,
  began_at_ms: T0,
});

function told(log: readonly Happened[], parts: readonly Part[]): Story {
  const story = new Story();
  story.place(parts, false);
  story.add(log);
  return story;
}

test("an event stands at its second of the part in which it was recorded", () => {
  expect(secondOf(PARTS, T0 + 4_500)).toBe(4.5);
  expect(secondOf(PARTS, T0 + 60_000)).toBe(10);
  expect(secondOf(PARTS, T0 + 67_250)).toBe(17.25);
});

test("what happened before, between and after the parts stands where the recording goes on, or at its end", () => {
  expect(secondOf(PARTS, T0 - 3_600_000)).toBe(0);
  expect(secondOf(PARTS, T0 + 30_000)).toBe(10);
  expect(secondOf(PARTS, T0 + 500_000)).toBe(30);
  // The part that is being recorded has no end yet.
  expect(secondOf(PARTS, T0 + 100_000, true)).toBe(50);
  expect(secondOf([], T0)).toBe(0);
});

test("a second of the programme is the moment at which it was recorded", () => {
  for (const second of [0, 3.25, 9.5, 10, 24]) expect(secondOf(PARTS, momentOf(PARTS, second))).toBeCloseTo(second);
  expect(momentOf(PARTS, 12)).toBe(T0 + 62_000);
});

test.each([1, 2, 3, 4, 5])("jumping anywhere shows what playing through shows (lesson %i)", (seed) => {
  const log = lesson(900, seed);
  const parts = seed % 2 === 0 ? [whole(log)] : [{ ...whole(log), duration_s: 6 }, { starts_at_s: 6, duration_s: 9, began_at_ms: T0 + 12_000 }];
  const jumped = told(log, parts);
  const next = chance(seed + 100);
  for (let n = 0; n < 60; n++) {
    const second = next(30_000) / 1000;
    let played: Scene = FIRST_SCENE;
    for (const one of log.slice(0, jumped.countAt(second))) played = sceneAfter(played, one);
    expect(jumped.sceneAt(second)).toEqual(played);
  }
});

test("a log that comes in pieces, some of them twice, is the same story", () => {
  const log = lesson(700, 9);
  const parts = [whole(log)];
  const piecemeal = new Story();
  piecemeal.add(log.slice(0, 250));
  piecemeal.place(parts, true);
  piecemeal.sceneAt(3);
  piecemeal.add(log.slice(200, 600));
  while (piecemeal.prepareMore());
  piecemeal.add(log.slice(600));
  piecemeal.place(parts, false);
  for (const second of [0, 2, 7.5, 11, 99]) expect(piecemeal.sceneAt(second)).toEqual(told(log, parts).sceneAt(second));
  expect(piecemeal.seq).toBe(700);
});

test("nothing is drawn anew while nothing happens", () => {
  const log = lesson(50, 3, 2_000);
  const story = told(log, [whole(log)]);
  const at_s = story.secondAt(20);
  expect(story.sceneAt(at_s)).toBe(story.sceneAt(at_s + 0.000_1));
  expect(story.sceneAt(at_s)).not.toBe(story.sceneAt(at_s - 0.01));
});

test("a lesson of 20,000 events jumps within 50 ms", () => {
  const log = lesson(20_000, 7);
  const story = told(log, [whole(log)]);
  const began = performance.now();
  while (story.prepareMore());
  const prepared_ms = performance.now() - began;
  const end_s = whole(log).duration_s;
  const times = [0.99, 0.01, 0.5, 0.93, 0.3, 0.999, 0.7].map((share) => {
    const from = performance.now();
    story.sceneAt(share * end_s);
    return performance.now() - from;
  });
  const inks = inksOf(story.sceneAt(end_s).pages, "b.1").length;
  console.log(`20,000 events: prepared in ${prepared_ms.toFixed(0)} ms, slowest jump ${Math.max(...times).toFixed(1)} ms, ${inks} strokes`);
  expect(Math.max(...times)).toBeLessThan(50);
});
