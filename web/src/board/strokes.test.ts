/** Laws of strokes as data: how points travel, how strokes grow, what an eraser touches, where texts break. */

import { describe, expect, test } from "vitest";
import type { Stroke } from "../generated/messages";
import { flatten, grown, inkOf, lastPoint, sameInk, touches, unflatten, type Ink, type StrokeTool } from "./strokes";
import { layText } from "./text";

const stroke = (tool: StrokeTool, points: number[], more: Partial<Stroke> = {}): Stroke => ({
  id: "abcdefgh", by: "t1", tool, color: "#1e2a2f", width: 40, points, ...more,
});
const ink = (tool: StrokeTool, points: number[], more: Partial<Stroke> = {}): Ink => inkOf(stroke(tool, points, more), true);

/** Points of a walk that is the same in every run. */
function walk(count: number): number[] {
  const at: number[] = [];
  for (let n = 0; n < count; n++) at.push((n * 7919) % 10_000, (n * 104_729) % 5_625, (n * 31) % 101);
  return at;
}

describe("points", () => {
  test("travel as differences, the first one whole", () => {
    expect(flatten([100, 200, 50, 110, 190, 52])).toEqual([100, 200, 50, 10, -10, 2]);
  });

  test("arrive as they left, however they were cut into messages", () => {
    const at = walk(40);
    for (const cut of [1, 2, 17, 39]) {
      const [first, rest] = [at.slice(0, cut * 3), at.slice(cut * 3)];
      const arrived = unflatten(flatten(first));
      expect(arrived.concat(unflatten(flatten(rest, lastPoint(first)), lastPoint(arrived)))).toEqual(at);
    }
  });

  test("that are not whole are left out", () => {
    expect(unflatten([1, 2, 3, 4, 5])).toEqual([1, 2, 3]);
  });
});

describe("a stroke", () => {
  test("grows by differences to its own last point", () => {
    const begun = inkOf(stroke("pen", [100, 100, 50]), false);
    const grew = grown(grown(begun, [10, 0, 0, 10, 0, 5]), [0, 10, 0]);
    expect(grew.at).toEqual([100, 100, 50, 110, 100, 50, 120, 100, 55, 120, 110, 55]);
    expect(begun.at).toEqual([100, 100, 50]);
  });

  test("grown piece by piece is the stroke that travels whole", () => {
    const whole = ink("pen", [100, 100, 50, 10, 0, 0, 10, 5, 5]);
    expect({ ...grown(inkOf(stroke("pen", [100, 100, 50]), false), [10, 0, 0, 10, 5, 5]), done: true }).toEqual(whole);
  });

  test.each(["line", "rectangle", "ellipse"] as const)("as %s keeps its first corner and takes the newest end", (tool) => {
    const begun = inkOf(stroke(tool, [100, 100, 50]), false);
    expect(grown(grown(begun, [500, 300]), [400, 200]).at).toEqual([100, 100, 50, 400, 200, 50]);
    expect(ink(tool, [100, 100, 50, 400, 200, 50]).at).toEqual([100, 100, 50, 400, 200, 50]);
  });

  test("that is finished is the same from the own hand and from the server", () => {
    const own = ink("pen", [100, 100, 50, 10, 0, 0]);
    expect(sameInk(own, { ...own })).toBe(true);
    expect(sameInk(own, { ...own, done: false })).toBe(false);
    expect(sameInk(own, grown(own, [5, 5, 0]))).toBe(false);
  });
});

describe("the eraser touches", () => {
  const square = [1_000, 1_000, 50, 3_000, 3_000, 50];

  test("a pen's line between its points, as wide as it is drawn", () => {
    const drawn = ink("pen", [1_000, 1_000, 50, 2_000, 0, 0]);
    expect(touches(drawn, 2_000, 1_060, 50)).toBe(true);
    expect(touches(drawn, 2_000, 1_080, 50)).toBe(false);
  });

  test("a dot", () => expect(touches(ink("pen", [1_000, 1_000, 50]), 1_010, 1_010, 20)).toBe(true));

  test("the outline of a shape, not what lies within", () => {
    expect(touches(ink("rectangle", square), 1_000, 2_000, 30)).toBe(true);
    expect(touches(ink("rectangle", square), 2_000, 2_000, 30)).toBe(false);
    expect(touches(ink("ellipse", square), 3_000, 2_000, 30)).toBe(true);
    expect(touches(ink("ellipse", square), 1_050, 1_050, 30)).toBe(false);
    expect(touches(ink("line", square), 2_000, 2_000, 30)).toBe(true);
  });

  test("a text anywhere in its box", () => {
    const text = ink("text", [1_000, 1_000, 50], { text: "春天来了", width: 400 });
    expect(touches(text, 2_500, 1_300, 10)).toBe(true);
    expect(touches(text, 2_700, 1_300, 10)).toBe(false);
    expect(touches(text, 1_500, 1_600, 10)).toBe(false);
  });

  test("nothing that is gone", () => expect(touches({ ...ink("line", square), gone: true }, 2_000, 2_000, 30)).toBe(false));
});

describe("a text", () => {
  test("breaks between Chinese characters where the page ends", () => {
    expect(layText("春天来了，花都开了", 9_900 - 1_600, 400).lines).toEqual(["春天来", "了，花都", "开了"]);
  });

  test("breaks between words, and where its writer broke it", () => {
    expect(layText("one two three\nfour", 9_900 - 800, 100).lines).toEqual(["one two three", "four"]);
    expect(layText("one two three", 9_900 - 500, 100).lines).toEqual(["one two", "three"]);
  });

  test("cuts a word that no line holds, and loses no letter", () => {
    const { lines, width } = layText("m".repeat(60), 9_900 - 800, 100);
    expect(lines.join("")).toBe("m".repeat(60));
    expect(width).toBeLessThanOrEqual(801);
  });

  test("keeps some room however far right it begins", () => expect(layText("春夏秋冬", 9_999, 500).lines).toEqual(["春夏秋冬"]));
});
