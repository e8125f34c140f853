/** Laws of the strokes that this page knows. */

import { expect, test } from "vitest";
import { inksOf } from "../../board/state";
import type { BoardEvent, BoardState, Happened, PageStrokes, Stroke } from "../../generated/messages";
import { EMPTY_BOARD } from "../../lib/board";
import { StrokeStore } from "./state";

const stroke = (id: string): Stroke => ({ id, by: "t1", tool: "pen", color: "#000000", width: 30, points: [1, 1, 50, 5, 5, 0] });
const greeted = (page: string, strokes: readonly Stroke[], seq = 10): BoardState => ({
  ...EMPTY_BOARD,
  type: "board",
  seq,
  strokes,
  stage: { stage: page === "" ? "live" : "page", page, material: "", source: "camera" },
});
const answer = (page: string, strokes: readonly Stroke[]): PageStrokes => ({ type: "page", page, seq: 1, strokes });
let seq = 10;
const event = (what: BoardEvent, by = "t1"): Happened => ({ type: "happened", seq: ++seq, at_ms: 0, by, event: what });
const begun = (page: string, id: string): Happened => event({ ...stroke(id), type: "stroke_begun", page });

function school(online = true): { store: StrokeStore; asked: string[]; ids: (page: string) => string[] } {
  seq = 10;
  const asked: string[] = [];
  const store = new StrokeStore(
    () => "me",
    (page) => online && asked.push(page) > 0,
  );
  const ids = (page: string): string[] => inksOf(store.pages.value, page).filter((one) => !one.gone).map((one) => one.id);
  return { store, asked, ids };
}

test("the greeting brings the shown page, and others are asked for once", () => {
  const { store, asked, ids } = school();
  store.receive(greeted("deck01.1", [stroke("aaaaaaaa")]));
  store.need("deck01.1");
  store.need("deck01.2");
  store.need("deck01.2");
  expect(asked).toEqual(["deck01.2"]);
  store.receive(answer("deck01.2", [stroke("bbbbbbbb")]));
  store.need("deck01.2");
  expect([asked.length, ids("deck01.1"), ids("deck01.2")]).toEqual([1, ["aaaaaaaa"], ["bbbbbbbb"]]);
});

test("what was asked without a socket is asked again", () => {
  const { store } = school(false);
  store.receive(greeted("", []));
  store.need("b.1");
  let again = 0;
  Reflect.set(store, "ask", () => ++again > 0);
  store.need("b.1");
  expect(again).toBe(1);
});

test("events that the greeting has in it do not count twice; later ones do", () => {
  const { store, ids } = school();
  store.receive(greeted("b.1", [stroke("aaaaaaaa")], 12));
  store.receive(begun("b.1", "cccccccc"));
  store.receive(begun("b.1", "cccccccc"));
  store.receive(begun("b.1", "dddddddd"));
  expect(ids("b.1")).toEqual(["aaaaaaaa", "dddddddd"]);
});

test("a stroke that comes back unknown makes its page be asked for", () => {
  const { store, asked, ids } = school();
  store.receive(greeted("b.1", []));
  store.receive(event({ type: "strokes_shown", page: "b.1", ids: ["eeeeeeee"], cause: "undo" }));
  store.need("b.1");
  expect(asked).toEqual(["b.1"]);
  store.receive(answer("b.1", [stroke("eeeeeeee")]));
  expect(ids("b.1")).toEqual(["eeeeeeee"]);
});

test("a second greeting forgets what may have changed meanwhile", () => {
  const { store, asked } = school();
  store.receive(greeted("b.1", []));
  store.need("b.2");
  store.receive(greeted("b.1", [], 40));
  store.need("b.2");
  expect(asked).toEqual(["b.2", "b.2"]);
  expect(store.epoch.value).toBe(2);
});

test("others' lasers are seen, the own is not, and none stays on another page", () => {
  const { store } = school();
  store.receive(greeted("b.1", []));
  store.receive(event({ type: "pointed", x: 5, y: 6 }, "me"));
  expect(store.pointer.value).toBeNull();
  store.receive(event({ type: "pointed", x: 5, y: 6 }, "c1"));
  expect(store.pointer.value).toEqual({ x: 5, y: 6 });
  store.receive(event({ type: "stage_shown", stage: "page", page: "b.2" }));
  expect(store.pointer.value).toBeNull();
});
