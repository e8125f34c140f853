import { expect, test } from "vitest";
import type { Poll } from "../../generated/messages";
import { bars, compared, letter, MOST, over, same, sum, takenBack, tallyOf, tapped, totals, typed, withCount } from "./counting";

const answer = (participant: string, counts: number[]): Poll["answers"][number] => ({ participant, name: participant, counts });
const poll = (answers: Poll["answers"]): Poll => ({ poll: "p1", question: "", choices: ["", "", ""], state: "closed", right: null, answers });

test("each tap on a card counts one, and can be taken back in turn", () => {
  let tally = [0, 2, 2, 1].reduce(tapped, tallyOf(3, null));
  expect(tally.counts).toEqual([1, 1, 2]);
  tally = takenBack(takenBack(tally));
  expect(tally.counts).toEqual([1, 0, 1]);
  for (let n = 0; n < 5; n += 1) tally = takenBack(tally);
  expect(tally.counts).toEqual([0, 0, 0]);
});

test("a count is never below 0 nor above what the server takes", () => {
  const tally = tallyOf(2, null);
  expect(withCount(tally, 0, -3).counts).toEqual([0, 0]);
  expect(withCount(tally, 1, 9_999).counts).toEqual([0, MOST]);
  expect(tapped(withCount(tally, 1, MOST), 1).counts).toEqual([0, MOST]);
  expect(takenBack(withCount(tapped(tally, 0), 0, 0)).counts).toEqual([0, 0]);
});

test("what was sent before is corrected, not counted again", () => {
  expect(tallyOf(3, [4, 5, 6])).toEqual({ counts: [4, 5, 6], taps: [] });
  expect(tallyOf(3, [4]).counts).toEqual([4, 0, 0]);
  expect(same([4, 5, 6], [4, 5, 6])).toBe(true);
  expect([same([4, 5, 7], [4, 5, 6]), same([4], [4, 5]), same([4], null)]).toEqual([false, false, false]);
});

test("numbers are read however they are typed", () => {
  expect(["12", " 7 ", "１２", "", "abc", "-3", "3人", "99999"].map(typed)).toEqual([12, 7, 12, 0, 0, 3, 3, MOST]);
});

test("the sum is held against the head count where there is one", () => {
  expect(sum([10, 12, 15])).toBe(37);
  expect(over([10, 12, 15], 34)).toBe(3);
  expect([over([10, 12], 34), over([10, 12], null), over([10, 12], 0)]).toEqual([0, 0, 0]);
});

test("totals run over all classrooms; bars are in proportion", () => {
  expect(totals(poll([answer("a", [1, 2, 3]), answer("b", [4, 0, 1])]))).toEqual([5, 2, 4]);
  expect(bars([5, 2, 0])).toEqual([
    { count: 5, percent: 71, length: 1 },
    { count: 2, percent: 29, length: 0.4 },
    { count: 0, percent: 0, length: 0 },
  ]);
  expect(bars([0, 0]).map((one) => [one.percent, one.length])).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

test("a class sees itself first among those that are compared, and how many more there are", () => {
  const all = poll(["a", "b", "c", "d"].map((name) => answer(name, [1, 1, 1])));
  const { rooms, more } = compared(all, "c", 3);
  expect([rooms.map((one) => one.participant), more]).toEqual([["c", "a", "b"], 1]);
  expect(compared(all, "x", 9).more).toBe(0);
  expect([0, 3, 5].map(letter).join("")).toBe("ADF");
});
