/** Laws of what the replay lists, and of its search. */

import { expect, test } from "vitest";
import type { BoardEvent, Happened } from "../generated/messages";
import type { DeckPage } from "../teach/board/decks";
import { find, MOST_FOUND } from "./find";
import { parseLog } from "./log";
import type { Moment } from "./model";
import { countsOf, currentAt, outlineOf, pageAt, withMoments } from "./outline";
import { Story } from "./story";

const T0 = 1_795_000_000_000;
const deck = { id: "deck01", kind: "deck" as const, name: "Rivers.pdf", manifest: "a" };

function story(events: readonly (readonly [second: number, event: BoardEvent])[]): Story {
  const made = new Story();
  made.place([{ starts_at_s: 0, duration_s: 600, began_at_ms: T0 }], false);
  made.add(events.map(([second, event], n): Happened => ({ type: "happened", seq: n + 1, at_ms: T0 + second * 1000, by: "t", event })));
  return made;
}

const show = (page: string): BoardEvent => ({ type: "stage_shown", stage: "page", page });
const live: BoardEvent = { type: "stage_shown", stage: "live" };
const said = (text: string): BoardEvent => ({ type: "said", name: "Class 3-2", role: "classroom", text });

const LESSON = story([
  [-60, { type: "material_changed", material: deck }],
  [5, show("deck01.1")],
  [20, { type: "marked", text: "The delta" }],
  [20, show("deck01.2")],
  [40, show("deck01.3")],
  [40.5, show("deck01.4")],
  [60, show("deck01.1")],
  [70, show("b.1")],
  [75, said("How long is the river?")],
  [80, { type: "poll_opened", poll: "p1", question: "The longest?", choices: ["Nile", "Yangtze"] }],
  [85, { type: "poll_answered", poll: "p1", participant: "c1", name: "Class 3-2", counts: [3, 20] }],
  [86, { type: "poll_answered", poll: "p1", participant: "c1", name: "Class 3-2", counts: [13, 10] }],
  [87, { type: "poll_answered", poll: "p1", participant: "c2", name: "Class 4-1", counts: [5, 1] }],
  [90, { type: "poll_revealed", poll: "p1", right: 0 }],
  [95, { type: "played", material: "song01", playing: true, position_ms: 0 }],
  [99, { type: "played", material: "song01", playing: true, position_ms: 4000 }],
  [120, live],
]);
const OUTLINE = outlineOf(LESSON);

test("a chapter begins where a page was first looked at, where something was marked, and where a song began", () => {
  expect(OUTLINE.chapters.map((one) => [one.kind, one.at_s, "page" in one ? one.page : ""])).toEqual([
    ["slide", 5, "deck01.1"],
    ["mark", 20, ""],
    ["slide", 20, "deck01.2"],
    // The third page was leafed over.
    ["slide", 40.5, "deck01.4"],
    ["board", 70, "b.1"],
    ["media", 95, ""],
  ]);
  expect(OUTLINE.chapters[0]).toMatchObject({ name: "Rivers" });
});

test("what the recording knows stands among the chapters in its place", () => {
  const moment: Moment = { kind: "screen", at_s: 30, name: "Lin", began_at_ms: 0 };
  const all = withMoments(OUTLINE.chapters, [moment]);
  expect(all.map((one) => one.at_s)).toEqual([5, 20, 20, 30, 40.5, 70, 95]);
  expect(withMoments(OUTLINE.chapters, [])).toBe(OUTLINE.chapters);
});

test("the current one is the last that has begun", () => {
  expect([0, 5, 19.9, 20, 1000].map((second) => currentAt(OUTLINE.chapters, second))).toEqual([-1, 0, 0, 2, 5]);
  expect([0, 6, 41, 65, 71, 130].map((second) => pageAt(OUTLINE.shown, second))).toEqual(
    ["", "deck01.1", "deck01.4", "deck01.1", "b.1", ""],
  );
});

test("of a question the last answer of each room counts", () => {
  const [question] = OUTLINE.questions;
  expect(question).toMatchObject({ at_s: 80, question: "The longest?", right: 0 });
  expect(question === undefined ? [] : countsOf(question)).toEqual([18, 11]);
});

const PAGES: Readonly<Record<string, string>> = { "deck01.1": "The Yangtze\nflows to the sea", "deck01.4": "长江 ＡＢＣ" };
const pageOf = (page: string): DeckPage | null =>
  PAGES[page] === undefined ? null : { w: 16, h: 9, thumb: "t", s: "s", m: "m", l: "l", text: PAGES[page] };
const places = (query: string): unknown => find(OUTLINE, pageOf, query).map((one) => [one.kind, one.at_s]);

test("search looks through slides, chat, questions and marks, in order of time", () => {
  expect(places("yangtze")).toEqual([["slide", 5], ["question", 80]]);
  expect(places("the")).toEqual([["slide", 5], ["mark", 20], ["chat", 75], ["question", 80]]);
  expect(places("SEA the")).toEqual([["slide", 5]]);
  expect(places("江")).toEqual([["slide", 40.5]]);
  expect(places("abc")).toEqual([["slide", 40.5]]);
  expect(places("  ")).toEqual([]);
  expect(places("mississippi")).toEqual([]);
});

test("a place that was found says where in its text", () => {
  const [found] = find(OUTLINE, pageOf, "flows");
  expect(found).toMatchObject({ before: "The Yangtze ", hit: "flows", after: " to the sea", page: "deck01.1", name: "Rivers" });
});

test("no list is endless", () => {
  const many = outlineOf(story(Array.from({ length: 200 }, (_, n) => [n, said("again")] as const)));
  expect(find(many, pageOf, "again")).toHaveLength(MOST_FOUND);
});

test("a line of the log that is none is left out", () => {
  const one = JSON.stringify({ type: "happened", seq: 1, at_ms: 1, by: "", event: live });
  expect(parseLog(`${one}\n{"type":"happ\n\n{}\n${one}\n`)).toHaveLength(2);
});
