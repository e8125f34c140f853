/** Laws of the picture behind the strokes: what is here shows at once, what is not comes smallest first, and only what can be
 * painted is handed on. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AGAIN_AFTER_MS, Backdrop, LOCAL_WITHIN_MS } from "./backdrop";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Pictures that take their time: milliseconds by address; missing ones fail. */
function bench(takes: Record<string, number>): { shown: string[]; asked: string[]; cancelled: string[]; backdrop: Backdrop<string> } {
  const [shown, asked, cancelled]: [string[], string[], string[]] = [[], [], []];
  const backdrop = new Backdrop<string>((url) => {
    asked.push(url);
    let off = false;
    const arrived = new Promise<void>((resolve, reject) => {
      const ms = takes[url];
      setTimeout(() => (off ? undefined : ms === undefined ? reject(new Error("no picture")) : resolve()), ms ?? 10);
    });
    return {
      arrived,
      decoded: arrived.then(() => url),
      cancel: () => {
        off = true;
        cancelled.push(url);
      },
    };
  });
  return { shown, asked, cancelled, backdrop };
}

test("what lies on this computer is shown alone", async () => {
  const { shown, asked, backdrop } = bench({ l: 20, s: 5, thumb: 1 });
  backdrop.bring(["l", "s", "thumb"], (url) => shown.push(url));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(shown).toEqual(["l"]);
  expect(new Set(asked)).toEqual(new Set(["l"]));
});

test("what does not comes smallest first, and takes nothing from the smallest", async () => {
  const { shown, cancelled, backdrop } = bench({ l: 3_000, s: 600, thumb: 200 });
  backdrop.bring(["l", "s", "thumb"], (url) => shown.push(url));
  await vi.advanceTimersByTimeAsync(LOCAL_WITHIN_MS + 10);
  expect(cancelled).toEqual(["l"]);
  await vi.advanceTimersByTimeAsync(200);
  expect(shown).toEqual(["thumb"]);
  await vi.advanceTimersByTimeAsync(600);
  expect(shown).toEqual(["thumb", "s"]);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(shown).toEqual(["thumb", "s", "l"]);
});

test("a missing size is passed over, and asked for again until the best is here", async () => {
  const takes: Record<string, number> = { thumb: 1 };
  const { shown, backdrop } = bench(takes);
  backdrop.bring(["l", "thumb"], (url) => shown.push(url));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(shown).toEqual(["thumb"]);
  takes["l"] = 5;
  await vi.advanceTimersByTimeAsync(AGAIN_AFTER_MS + 100);
  expect(shown[shown.length - 1]).toBe("l");
});

test("a page that was turned over before its picture came is never shown", async () => {
  const { shown, backdrop } = bench({ a: 500, b: 50 });
  backdrop.bring(["a"], (url) => shown.push(url));
  await vi.advanceTimersByTimeAsync(100);
  backdrop.bring(["b"], (url) => shown.push(url));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(shown).toEqual(["b"]);
});
