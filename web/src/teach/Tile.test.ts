import { expect, test } from "vitest";
import { initials } from "./Tile";

test.each([
  ["Class 3-2", "C3"],
  ["Mawei School", "MS"],
  ["三年级", "三"],
  ["教室 12", "教12"],
  ["  ", ""],
  ["😀 smile", "😀S"],
])("%s is drawn as %s", (name, sign) => {
  expect(initials(name)).toBe(sign);
});
