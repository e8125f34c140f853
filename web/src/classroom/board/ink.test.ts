import { expect, test } from "vitest";
import { EMPTY_BOARD } from "../../lib/board";
import type { BoardEvent, BoardState, Happened, Stroke } from "../../generated/messages";
import { greeted, inked, lacks, NO_INKS, strokesOf, withEmpty, withWhole } from "./ink";

const happened = (seq: number, event: BoardEvent): Happened => ({ type: "happened", seq, at_ms: seq, by: "t", event });
const begun = (seq: number, id: string, page = "b.1"): Happened =>
  happened(seq, { type: "stroke_begun", id, page, tool: "pen", color: "#000000", width: 45, points: [0, 0, 50] });
const grew = (seq: number, id: string): Happened => happened(seq, { type: "stroke_grew", id, page: "b.1", points: [10, 10, 0] });
const stroke = (id: string, points: number[]): Stroke => ({ id, by: "t", tool: "pen", color: "#000000", width: 45, points });
const state = (more: Partial<BoardState>): BoardState => ({ ...EMPTY_BOARD, type: "board", strokes: [], ...more });
const length = (inks: typeof NO_INKS, page = "b.1"): number[] => strokesOf(inks, page).map((one) => one.at.length / 3);

test("what a page has in it when it comes is not drawn again by events that were held back", () => {
  const late = [begun(5, "a"), grew(6, "a"), grew(7, "a"), grew(8, "a")];
  let inks = withWhole(NO_INKS, { type: "page", page: "b.1", seq: 7, strokes: [stroke("a", [0, 0, 50, 10, 10, 0, 10, 10, 0])] });
  for (const one of late) inks = inked(inks, one);
  expect(length(inks)).toEqual([4]);
});

test("a page that came before the one that is known changes nothing", () => {
  const whole = withWhole(NO_INKS, { type: "page", page: "b.1", seq: 7, strokes: [stroke("a", [0, 0, 50])] });
  expect(withWhole(whole, { type: "page", page: "b.1", seq: 3, strokes: [] })).toBe(whole);
});

test("the greeting brings the page that is shown, and the others must be asked for", () => {
  const inks = greeted(state({ seq: 9, stage: { stage: "page", page: "b.1", material: "", source: "camera" }, strokes: [stroke("a", [0, 0, 50])] }));
  expect(length(inks)).toEqual([1]);
  expect([lacks(inks, "b.1"), lacks(inks, "b.2"), lacks(inks, "")]).toEqual([false, true, false]);
  expect(lacks(withEmpty(inks, "b.2"), "b.2")).toBe(false);
});

test("a page with a stroke that comes back and is not known is asked for again", () => {
  const empty = withEmpty(NO_INKS, "b.1");
  const back = inked(empty, happened(3, { type: "strokes_shown", page: "b.1", ids: ["lost"], cause: "undo" }));
  expect(lacks(back, "b.1")).toBe(true);
  expect(lacks(withWhole(back, { type: "page", page: "b.1", seq: 3, strokes: [stroke("lost", [0, 0, 50])] }), "b.1")).toBe(false);
});

test("what happens elsewhere than on pages leaves them as they are", () => {
  expect(inked(NO_INKS, happened(3, { type: "hand_raised", participant: "c" }))).toBe(NO_INKS);
});
