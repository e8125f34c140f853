/** Laws of the pages: what events make of them, and how the own hand's strokes give way to the server's. */

import { describe, expect, test } from "vitest";
import { afterEvent, ECHO_LASTS_MS, echoDrawn, echoErased, inksOf, knows, NO_ECHO, noPages, seen, settled, withPage, type Pages, type StrokeEvent } from "./state";
import type { Stroke } from "../generated/messages";
import { flatten, inkOf, type Ink } from "./strokes";

const begun = (id: string, page = "b.1"): StrokeEvent => ({
  type: "stroke_begun", id, page, tool: "pen", color: "#0072b2", width: 40, points: [100, 100, 50],
});
const grew = (id: string, points: number[]): StrokeEvent => ({ type: "stroke_grew", id, page: "b.1", points });
const done = (id: string): StrokeEvent => ({ type: "stroke_grew", id, page: "b.1", points: [], done: true });
const hidden = (...ids: string[]): StrokeEvent => ({ type: "strokes_hidden", page: "b.1", ids, cause: "undo" });
const shown = (...ids: string[]): StrokeEvent => ({ type: "strokes_shown", page: "b.1", ids, cause: "redo" });

const after = (pages: Pages, ...events: StrokeEvent[]): Pages => events.reduce((all, one) => afterEvent(all, one, "t1"), pages);
const known = withPage(noPages(false), "b.1", []);
const ids = (inks: readonly Ink[]): string[] => inks.map((one) => one.id);

describe("pages", () => {
  test("gather a stroke as it is drawn", () => {
    const [ink] = inksOf(after(known, begun("a"), grew("a", [10, 0, 0]), grew("a", [10, 5, 1]), done("a")), "b.1");
    expect(ink).toMatchObject({ by: "t1", at: [100, 100, 50, 110, 100, 50, 120, 105, 51], done: true, gone: false });
  });

  test("hide and show again, in the order of drawing", () => {
    const pages = after(known, begun("a"), done("a"), begun("b"), done("b"), hidden("a", "b"), shown("a"));
    expect(ids(seen(inksOf(pages, "b.1"), "b.1", NO_ECHO))).toEqual(["a"]);
    expect(ids(seen(inksOf(after(pages, shown("b")), "b.1"), "b.1", NO_ECHO))).toEqual(["a", "b"]);
  });

  test("leave a page alone that they do not know, for it comes whole", () => {
    expect(after(known, begun("a", "k3v9qz.2"))).toBe(known);
    expect(knows(known, "k3v9qz.2")).toBe(false);
  });

  test("of a replay are all known", () => {
    expect(ids(inksOf(after(noPages(true), begun("a", "k3v9qz.2")), "k3v9qz.2"))).toEqual(["a"]);
  });

  test("go on where the server's answer ends: joined late or early, all see the same", () => {
    const events = [begun("a"), grew("a", [10, 0, 0]), begun("b"), grew("a", [10, 0, 0]), done("a"), hidden("b"), done("b"), shown("b")];
    const early = inksOf(after(known, ...events), "b.1");
    for (let cut = 0; cut <= events.length; cut++) {
      const then = inksOf(after(known, ...events.slice(0, cut)), "b.1");
      // As the server tells it: without what is gone.
      const told = (inks: readonly Ink[]): Stroke[] =>
        inks.filter((one) => !one.gone).map(({ id, by, tool, color, width, at }) => ({ id, by, tool, color, width, points: flatten(at) }));
      let late = after(withPage(noPages(false), "b.1", told(then)), ...events.slice(cut));
      if (!knows(late, "b.1")) late = withPage(late, "b.1", told(early));
      expect(knows(late, "b.1")).toBe(true);
      expect(inksOf(late, "b.1")).toEqual(early);
    }
  });

  test("do not change for a stroke that they have not, nor twice for one that they have", () => {
    const pages = after(known, begun("a"));
    expect(after(pages, begun("a"), grew("z", [1, 1, 1]), hidden("z"))).toBe(pages);
  });

  test("are asked for again when a stroke comes back that they never had, until they are told", () => {
    const stale = after(known, begun("a"), shown("z"));
    expect(knows(stale, "b.1")).toBe(false);
    expect(ids(inksOf(after(stale, begun("b")), "b.1"))).toEqual(["a", "b"]);
    expect(knows(withPage(stale, "b.1", []), "b.1")).toBe(true);
    expect(knows(after(noPages(true), shown("z")), "b.1")).toBe(true);
  });

  test("keep strokes that an event does not name the very same, so that they are not painted again", () => {
    const pages = after(known, begun("a"), done("a"), begun("b"));
    expect(inksOf(after(pages, grew("b", [1, 1, 0])), "b.1")[0]).toBe(inksOf(pages, "b.1")[0]);
  });
});

describe("the own hand's strokes", () => {
  const own = (at: number[], finished: boolean): Ink => inkOf({ id: "a", by: "", tool: "pen", color: "#0072b2", width: 40, points: at }, finished);

  test("are seen before the server tells of them, and ahead of it while they grow", () => {
    const echo = echoDrawn(NO_ECHO, "b.1", own([100, 100, 50, 10, 0, 0, 10, 0, 0], false), 0);
    expect(seen([], "b.1", echo)[0]?.at.length).toBe(9);
    expect(seen(inksOf(after(known, begun("a")), "b.1"), "b.1", echo)[0]?.at.length).toBe(9);
    expect(seen([], "b.2", echo)).toEqual([]);
  });

  test("give way once the server has them whole, or has hidden them", () => {
    const echo = echoDrawn(NO_ECHO, "b.1", own([100, 100, 50], true), 0);
    expect(settled(echo, "b.1", inksOf(after(known, begun("a")), "b.1"), 1).drawn.length).toBe(1);
    expect(settled(echo, "b.1", inksOf(after(known, begun("a"), done("a")), "b.1"), 1).drawn).toEqual([]);
    const undone = inksOf(after(known, begun("a"), done("a"), hidden("a")), "b.1");
    expect(seen(undone, "b.1", echo)).toEqual([]);
    expect(settled(echo, "b.1", undone, 1).drawn).toEqual([]);
  });

  test("go again when the server never tells of them: nobody else sees them", () => {
    const echo = echoErased(echoDrawn(NO_ECHO, "b.1", own([100, 100, 50], true), 0), ["b"], 0);
    expect(settled(echo, "b.1", [], ECHO_LASTS_MS)).toBe(echo);
    expect(settled(echo, "b.1", [], ECHO_LASTS_MS + 1)).toEqual(NO_ECHO);
  });

  test("erased are gone at once, and may come back when the server shows them again", () => {
    const pages = after(known, begun("a"), done("a"));
    const echo = echoErased(NO_ECHO, ["a"], 0);
    expect(seen(inksOf(pages, "b.1"), "b.1", echo)).toEqual([]);
    const told = inksOf(after(pages, hidden("a")), "b.1");
    const rest = settled(echo, "b.1", told, 10);
    expect(ids(seen(inksOf(after(pages, hidden("a"), shown("a")), "b.1"), "b.1", rest))).toEqual(["a"]);
  });
});
