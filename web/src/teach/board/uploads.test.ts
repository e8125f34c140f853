/** Laws of uploading, with a transport of the test's own. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Material } from "../../generated/messages";
import { outcomeOf, Uploads, type Outcome } from "./uploads";

const material: Material = { id: "deck01", kind: "deck", name: "Spring" };
const file = (): Blob => new Blob(["x".repeat(10)]);

interface Line {
  readonly name: string;
  readonly sent: (bytes: number) => void;
  readonly end: (outcome: Outcome) => void;
  readonly aborted: () => boolean;
}

function school(): { uploads: Uploads; lines: Line[] } {
  const lines: Line[] = [];
  const uploads = new Uploads({
    send: (_, name, sent) => {
      let end: (outcome: Outcome) => void = () => undefined;
      let aborted = false;
      const done = new Promise<Outcome>((resolve) => (end = resolve));
      lines.push({ name, sent, end, aborted: () => aborted });
      return { done, abort: () => ((aborted = true), end({ problem: "dropped" })) };
    },
  });
  return { uploads, lines };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const soon = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

test("files go one after the other, and each tells how far it is", async () => {
  const { uploads, lines } = school();
  const made: string[] = [];
  uploads.add(file(), "one.pdf", { done: (one) => void made.push(one.id) });
  uploads.add(file(), "two.pdf");
  expect(lines.map((one) => one.name)).toEqual(["one.pdf"]);
  lines[0]?.sent(4);
  expect(uploads.all.value.map(({ state, sent }) => [state, sent])).toEqual([["sending", 4], ["waiting", 0]]);
  lines[0]?.end({ material });
  await soon();
  expect(made).toEqual(["deck01"]);
  expect(lines.map((one) => one.name)).toEqual(["one.pdf", "two.pdf"]);
  expect(uploads.all.value.map((one) => one.name)).toEqual(["two.pdf"]);
});

test("a refused file stays with its reason, and does not hold up the next", async () => {
  const { uploads, lines } = school();
  uploads.add(file(), "one.exe");
  uploads.add(file(), "two.pdf");
  lines[0]?.end({ problem: "kind_unknown" });
  await soon();
  expect(uploads.all.value.map(({ state, problem }) => [state, problem])).toEqual([["failed", "kind_unknown"], ["sending", ""]]);
});

test("a lost network is tried again by itself, in the end by hand", async () => {
  const { uploads, lines } = school();
  uploads.add(file(), "one.pdf");
  for (let n = 0; n < 4; n++) {
    lines[n]?.end({ problem: "network" });
    await soon(20_000);
  }
  expect(lines).toHaveLength(4);
  expect(uploads.all.value[0]).toMatchObject({ state: "failed", problem: "network" });
  uploads.again(1);
  expect(lines).toHaveLength(5);
});

test("what is taken back is sent no further", async () => {
  const { uploads, lines } = school();
  uploads.add(file(), "one.pdf");
  uploads.add(file(), "two.pdf");
  uploads.drop(1);
  await soon();
  expect(lines[0]?.aborted()).toBe(true);
  expect(uploads.all.value.map((one) => one.name)).toEqual(["two.pdf"]);
  expect(lines).toHaveLength(2);
});

test("every answer has a word", () => {
  expect(outcomeOf(201, JSON.stringify(material))).toEqual({ material });
  expect(outcomeOf(415, '{"error":{"code":"office_not_installed"}}')).toEqual({ problem: "office_not_installed" });
  expect(outcomeOf(413, '{"error":{"code":"body_too_large"}}')).toEqual({ problem: "too_large" });
  expect(outcomeOf(413, "<html>")).toEqual({ problem: "too_large" });
  expect(outcomeOf(502, "<html>")).toEqual({ problem: "network" });
  expect(outcomeOf(418, "")).toEqual({ problem: "other" });
});

test("who waits for a file hears that it was taken back, and only then", async () => {
  const { uploads, lines } = school();
  const heard: string[] = [];
  const hopes = { done: () => void heard.push("done"), failed: () => void heard.push("failed"), dropped: () => void heard.push("dropped") };
  uploads.add(file(), "one.jpg", hopes);
  uploads.drop(uploads.all.value[0]?.id ?? 0);
  await soon();
  uploads.add(file(), "two.jpg", hopes);
  lines[1]?.end({ material });
  await soon();
  expect(heard).toEqual(["dropped", "done"]);
});
