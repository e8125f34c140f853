import { expect, test } from "vitest";
import type { Poll } from "../../generated/messages";
import { answered, newest, pupils, rows } from "./poll";

const poll = (answers: Poll["answers"]): Poll => ({ poll: "p1", question: "", choices: ["", "two"], state: "open", right: null, answers });

test("counts of all classrooms add up, and the longest bar is whole", () => {
  const asked = poll([
    { participant: "a", name: "A", counts: [3, 9] },
    { participant: "b", name: "B", counts: [3, 9] },
  ]);
  expect(rows(asked)).toEqual([
    { choice: 0, letter: "A", text: "", count: 6, percent: 25, length: 6 / 18 },
    { choice: 1, letter: "B", text: "two", count: 18, percent: 75, length: 1 },
  ]);
  expect(pupils(asked)).toBe(24);
});

test("without answers nothing is divided by nothing", () => {
  expect(rows(poll([])).map((row) => [row.count, row.percent, row.length])).toEqual([
    [0, 0, 0],
    [0, 0, 0],
  ]);
  expect(newest([])).toBeNull();
});

test("a classroom that answered and left still counts", () => {
  const asked = poll([{ participant: "gone", name: "G", counts: [1, 0] }]);
  expect(answered(asked, ["a", "b"])).toEqual({ count: 1, of: 3 });
  expect(answered(asked, ["a", "gone"])).toEqual({ count: 1, of: 2 });
});
