/** Laws of the keys: what they do to a text that is written, and to the palette. */

import { expect, test } from "vitest";
import { COLORS, commandOf, FIRST_CHOICE, heldOf, keyOf, TOOLS, withColor } from "./choice";
import { keyMeans, type Key } from "./writing";

const key = (name: string, more: Partial<Key> = {}): Key => ({ key: name, shiftKey: false, isComposing: false, keyCode: 0, ...more });

test("Enter ends a text, Shift and Enter begin a line, Escape gives it up", () => {
  expect(keyMeans(key("Enter"), false)).toBe("commit");
  expect(keyMeans(key("Enter", { shiftKey: true }), false)).toBe("type");
  expect(keyMeans(key("Escape"), false)).toBe("cancel");
  expect(keyMeans(key("a"), false)).toBe("type");
});

test("Enter and Escape that an input method takes end nothing", () => {
  for (const name of ["Enter", "Escape"]) {
    expect(keyMeans(key(name), true)).toBe("type");
    expect(keyMeans(key(name, { isComposing: true }), false)).toBe("type");
    expect(keyMeans(key(name, { keyCode: 229 }), false)).toBe("type");
  }
});

const press = (name: string, more: object = {}): ReturnType<typeof commandOf> =>
  commandOf({ key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more });

test("every tool has a key of its own, in either case", () => {
  expect(TOOLS.map((tool) => press(keyOf(tool)))).toEqual(TOOLS);
  expect(TOOLS.map((tool) => press(keyOf(tool).toUpperCase()))).toEqual(TOOLS);
});

test("keys that the browser or the lesson needs are left to them", () => {
  for (const name of ["m", " ", "Tab", "Enter", "F5"]) expect(press(name)).toBeNull();
  expect(press("p", { ctrlKey: true })).toBeNull();
  expect(press("ArrowLeft", { altKey: true })).toBeNull();
});

test("undo, redo and pages have the keys that hands know, a presenter's among them", () => {
  expect(press("z", { ctrlKey: true })).toBe("undo");
  expect(press("Z", { metaKey: true, shiftKey: true })).toBe("redo");
  expect(press("y", { ctrlKey: true })).toBe("redo");
  expect(["ArrowRight", "PageDown", "ArrowLeft", "PageUp"].map((name) => press(name))).toEqual(["next", "next", "previous", "previous"]);
});

test("a colour goes to the tool in hand; the highlighter's is its own; the eraser gives way to the pen", () => {
  const [black, blue] = [COLORS[0].value, COLORS[1].value];
  const marked = withColor({ ...FIRST_CHOICE, tool: "highlighter" }, blue);
  expect([heldOf(marked).color, heldOf({ ...marked, tool: "pen" }).color]).toEqual([blue, black]);
  expect(withColor({ ...FIRST_CHOICE, tool: "eraser" }, blue)).toMatchObject({ tool: "pen", color: blue });
});

/** Relative luminance, as WCAG has it. */
function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

test("no colour vanishes on the page", () => {
  for (const { value } of COLORS) expect([value, 1.05 / (luminance(value) + 0.05) > 1.8]).toEqual([value, true]);
});
