import { expect, test } from "vitest";
import type { LessonView } from "./lesson-view";
import { leads } from "./rights";

const view = (lead: string, online: boolean): LessonView =>
  ({ you: "me", lesson: { lead }, participants: [{ id: "me", online: true }, { id: "other", online }] }) as unknown as LessonView;

test.each([
  ["", true, true],
  ["me", true, true],
  ["other", true, false],
  ["other", false, true],
  ["gone", true, true],
])("with the lead '%s' (here: %j), the page leads: %j", (lead, online, expected) => {
  expect(leads(view(lead, online))).toBe(expected);
});

test("a page that knows nothing yet leads nothing", () => {
  expect(leads(null)).toBe(false);
});
