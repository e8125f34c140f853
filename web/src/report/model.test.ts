/** Laws of the report's figures and words. */

import { beforeAll, beforeEach, expect, test } from "vitest";
import { addTexts, language } from "../lib/i18n";
import {
  type Poll,
  type Report,
  type Room,
  askAgainMs,
  choicesOf,
  figuresOf,
  inOrder,
  isFinal,
  minutes,
  presence,
  received,
  rightShare,
  stacked,
  viewOf,
  worthAWord,
} from "./model";
import { asked, fileName, heard, there, when } from "./words";

const BEGAN_MS = new Date(2026, 8, 1, 9, 2).getTime();

const room = (over: Partial<Room> = {}): Room => ({
  participant: "c1",
  name: "3-2",
  present_s: 2400,
  stays: [{ from_s: 0, until_s: 2400 }],
  first_at_ms: BEGAN_MS,
  last_at_ms: BEGAN_MS + 2_400_000,
  heads: null,
  called: 0,
  called_s: 0,
  hands: 0,
  signs: {},
  rungs_s: {},
  behind_s: 0,
  owed_s: 0,
  missed_s: 0,
  answered: 0,
  ...over,
});

const report = (over: Partial<Report> = {}): Report => ({
  lesson: { id: "lesson1", title: "Spring", state: "ended" },
  started_at_ms: BEGAN_MS,
  ended_at_ms: BEGAN_MS + 2_400_000,
  duration_s: 2400,
  heads: 0,
  rooms: [room()],
  volunteers: [],
  polls: [],
  marks: [],
  slides: 0,
  chat_lines: 0,
  ...over,
});

const poll = (right: number | null, ...counts: readonly (readonly number[])[]): Poll => ({
  poll: "p",
  question: "2 + 2?",
  choices: ["3", "4", "5"],
  right,
  answers: counts.map((one, n) => ({ participant: `c${n}`, name: `${n}`, counts: one })),
});

beforeAll(() => addTexts(import.meta.glob("../lang/*/report.ts", { eager: true })));
beforeEach(() => {
  language.value = "en";
});

test("what there is to see depends on whether it began and who came", () => {
  expect(viewOf(report())).toBe("rooms");
  expect(viewOf(report({ rooms: [] }))).toBe("nobody");
  expect(viewOf(report({ started_at_ms: null }))).toBe("waiting");
});

test("a lesson that runs, waits or has just ended is asked about again, an old one never", () => {
  const ended_at_ms = BEGAN_MS + 2_400_000;
  const live = { lesson: { id: "x", title: "", state: "live" }, ended_at_ms: null } as const;
  expect(askAgainMs(report(live), ended_at_ms)).toBe(30_000);
  expect(askAgainMs(report({ ...live, started_at_ms: null }), 0)).toBe(30_000);
  expect(askAgainMs(report(), ended_at_ms + 60_000)).toBe(30_000);
  expect(askAgainMs(report(), ended_at_ms + 3_600_000)).toBeNull();
  // It ended without ever having begun.
  expect(askAgainMs(report({ ended_at_ms: null, started_at_ms: null }), 0)).toBeNull();
  expect([401, 403, 404, 410, 0, 429, 500, 503].filter(isFinal)).toEqual([401, 403, 404, 410]);
});

test("pupils are counted only where somebody said how many", () => {
  const rooms = [room({ missed_s: 59 }), room({ missed_s: 61, heads: 0 })];
  expect(figuresOf(report({ rooms }))).toEqual({ classrooms: 2, pupils: 0, minutes: 40, heardAll: 1 });
  expect(figuresOf(report()).pupils).toBeNull();
});

test("what is not nothing is a minute at least", () => {
  expect([0, 0.4, 1, 29, 89, 91, 3600].map(minutes)).toEqual([0, 0, 1, 1, 1, 2, 60]);
});

test("a bar never grows beyond the lesson, and stretches follow one another", () => {
  const parts = received(room({ rungs_s: { sound: 700, full: 1200, odd: 9 }, behind_s: 900 }));
  expect(parts.map(({ kind }) => kind)).toEqual(["full", "sound", "behind"]);
  const stretches = stacked(parts, 2400);
  expect(stretches[0]).toEqual({ kind: "full", from: 0, to: 0.5 });
  expect(stretches[2]?.to).toBe(1);
  stretches.slice(1).forEach(({ from }, n) => expect(from).toBe(stretches[n]?.to));
  expect(stacked(parts, 0)).toEqual([]);
  expect(presence(room({ stays: [{ from_s: -5, until_s: 600 }, { from_s: 1200, until_s: 9999 }] }), 2400)).toEqual([
    { kind: "there", from: 0, to: 0.25 },
    { kind: "there", from: 0.5, to: 1 },
  ]);
});

test("short stretches get no word unless there is nothing else", () => {
  expect(worthAWord(room({ rungs_s: { full: 100, sound: 12 } })).map(({ kind }) => kind)).toEqual(["full"]);
  expect(worthAWord(room({ rungs_s: { full: 5, sound: 12 } })).map(({ kind }) => kind)).toEqual(["sound"]);
  expect(worthAWord(room())).toEqual([]);
});

test("classrooms stand in the order in which people count", () => {
  const names = (tag: string): string[] => inOrder([{ name: "3-10" }, { name: "3-2" }], tag).map(({ name }) => name);
  expect([names("en"), names("zh-CN")]).toEqual([["3-2", "3-10"], ["3-2", "3-10"]]);
});

test("a question's shares are of all who answered", () => {
  const asked = poll(1, [3, 35, 0], [1, 1], []);
  expect(choicesOf(asked).map(({ count, right }) => [count, right])).toEqual([[4, false], [36, true], [0, false]]);
  expect(choicesOf(asked)[1]?.share).toBe(0.9);
  expect(choicesOf(poll(null)).map(({ share }) => share)).toEqual([0, 0, 0]);
  expect([rightShare(asked, [3, 35, 0]), rightShare(asked, []), rightShare(poll(null), [1, 1, 1])]).toEqual([35 / 38, null, null]);
});

test("whether a classroom heard everything is said in words, and how", () => {
  const said = (over: Partial<Room>): string => heard(room(over)).text;
  expect([said({}), said({ behind_s: 200 }), said({ missed_s: 720 })]).toEqual(["Yes", "Yes, some of it later", "Missed 12 min"]);
  expect(said({ behind_s: 60, owed_s: 120 })).toBe("Catching up, 2 min to go");
  language.value = "zh-CN";
  expect([said({}), said({ behind_s: 200 }), said({ missed_s: 720 })]).toEqual(["听全了", "补看后听全了", "漏听 12 分钟"]);
});

test("hands and signs are told when there were any", () => {
  expect(asked(room())).toEqual([]);
  expect(asked(room({ hands: 2, signs: { cannot_hear: 1, slower: 3 } }))).toEqual(["Hand up 2 times", "Cannot hear: 1", "Slower: 3"]);
});

test("who was not there throughout is told from when to when", () => {
  expect(there(room({ present_s: 2350 }), report())).toEqual({ words: "The whole lesson", hours: "" });
  const late = there(room({ present_s: 1800, first_at_ms: BEGAN_MS + 600_000 }), report());
  expect(late.words).toBe("30 min");
  expect(late.hours).toMatch(/9:12.*–.*9:42/);
});

test("the heading names the day with its year", () => {
  expect(when(report())).toMatch(/September 1, 2026.*9:02/);
  language.value = "zh-CN";
  expect(when(report())).toMatch(/2026年9月1日.*9:02|2026年9月1日.*09:02/);
});

test("the table's name is one that every disk takes", () => {
  expect(fileName(report())).toBe("Spring-2026-09-01.csv");
  expect(fileName(report({ lesson: { id: "lesson1", title: 'a/b: "c"', state: "ended" } }))).toBe("a b c-2026-09-01.csv");
  expect(fileName(report({ lesson: { id: "lesson1", title: "??", state: "ended" }, started_at_ms: null }))).toBe("lesson1.csv");
});
