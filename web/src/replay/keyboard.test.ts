import { expect, test } from "vitest";
import { actionOf } from "./keyboard";

function press(key: string, on = "body", held: { ctrl?: boolean; alt?: boolean; meta?: boolean } = {}) {
  return actionOf({ key, on, ctrl: held.ctrl ?? false, alt: held.alt ?? false, meta: held.meta ?? false });
}

test.each([
  [" ", { do: "toggle" }],
  ["k", { do: "toggle" }],
  ["ArrowLeft", { do: "skip", by_s: -5 }],
  ["ArrowRight", { do: "skip", by_s: 5 }],
  ["j", { do: "skip", by_s: -10 }],
  ["L", { do: "skip", by_s: 10 }],
  ["Home", { do: "start" }],
  ["End", { do: "end" }],
  ["0", { do: "tenth", tenth: 0 }],
  ["7", { do: "tenth", tenth: 7 }],
  ["f", { do: "fullscreen" }],
  [">", { do: "faster" }],
  ["<", { do: "slower" }],
  ["m", { do: "mute" }],
  ["q", null],
  ["Tab", null],
  ["F5", null],
])("%s", (key, action) => {
  expect(press(key)).toEqual(action);
});

test("the browser's own shortcuts and the fields keep their keys", () => {
  for (const held of [{ ctrl: true }, { alt: true }, { meta: true }]) expect(press("f", "body", held)).toBeNull();
  for (const field of ["select", "input", "textarea"]) expect(press("ArrowLeft", field)).toBeNull();
});

test("space presses the button that has the focus, and plays when the seek bar has it", () => {
  expect(press(" ", "button")).toBeNull();
  expect(press(" ", "slider")).toEqual({ do: "toggle" });
});
