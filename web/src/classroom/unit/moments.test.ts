import { expect, test } from "vitest";
import type { Poll } from "../../generated/messages";
import { bellInMs, RESULT_STANDS_MS, SIGN_STANDS_MS, signLeftMs, stands, timerLook, UP_SHOWN_MS, waitedS } from "./moments";

const T = 1_795_000_000_000;

test("a sign takes itself back after a minute, also in a page that was loaded again meanwhile", () => {
  expect(signLeftMs(T, T)).toBe(SIGN_STANDS_MS);
  expect(signLeftMs(T, T + 45_000)).toBe(15_000);
  expect(signLeftMs(T, T + 600_000)).toBe(0);
  expect(signLeftMs(T + 5_000, T)).toBe(SIGN_STANDS_MS);
});

test("waiting is counted from when the hand went up, never below nothing", () => {
  expect([waitedS(T, T + 40_900), waitedS(T, T - 900)]).toEqual([40, 0]);
});

test("a timer shows every second once and ends at its end", () => {
  const timer = { seconds: 30, at_ms: T };
  const at = (ms: number): string => Object.values(timerLook(timer, T + ms)).join(" ");
  expect([at(-300), at(0), at(1), at(1_000), at(29_001), at(30_000)]).toEqual(["running 30", "running 30", "running 30", "running 29", "running 1", "up 0"]);
  expect([at(30_000 + UP_SHOWN_MS - 1), at(30_000 + UP_SHOWN_MS)]).toEqual(["up 0", "off 0"]);
  expect(timerLook(null, T).state).toBe("off");
});

test("the bell rings at the end, and not long after it", () => {
  const timer = { seconds: 30, at_ms: T };
  expect([bellInMs(timer, T + 10_000), bellInMs(timer, T + 31_000), bellInMs(timer, T + 33_000), bellInMs(null, T)]).toEqual([20_000, 0, null, null]);
});

test("an open question stands; a result as long as it is talked about, and only where the class saw it come", () => {
  const poll = (state: Poll["state"]): Poll => ({ poll: "p1", question: "", choices: ["", ""], state, right: null, answers: [] });
  expect(stands({ poll: poll("open"), changedAtMs: null, closed: false }, T)).toBe(true);
  for (const state of ["closed", "revealed"] as const) {
    const shown = { poll: poll(state), changedAtMs: T, closed: false };
    expect(stands(shown, T + RESULT_STANDS_MS - 1)).toBe(true);
    expect(stands(shown, T + RESULT_STANDS_MS)).toBe(false);
    expect(stands({ ...shown, closed: true }, T)).toBe(false);
    expect(stands({ ...shown, changedAtMs: null }, T)).toBe(false);
  }
});
