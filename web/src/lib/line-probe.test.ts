import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { measureLine } from "./line-probe";

/** A server on a link of this rate and round trip, in virtual time. */
interface Link {
  readonly downKbps: number;
  readonly upKbps: number;
  readonly rttMs: number;
  readonly refuses?: (url: string, method: string) => boolean;
}

function serve({ downKbps, upKbps, rttMs, refuses }: Link): string[] {
  const log: string[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const method = init.method ?? "GET";
    log.push(`${method} ${url}`);
    const sent = init.body instanceof Uint8Array ? init.body.length : 0;
    await passed(rttMs + (sent * 8) / upKbps, init.signal);
    if (refuses?.(url, method) === true) return new Response("{}", { status: 429 });
    if (method === "POST") return new Response(null, { status: 204 });
    let left = Number(new URLSearchParams(url.split("?")[1]).get("bytes"));
    const body = new ReadableStream<Uint8Array>({
      pull: async (stream) => {
        const piece = Math.min(left, 1_400);
        await passed((piece * 8) / downKbps, init.signal);
        left -= piece;
        if (piece > 0) stream.enqueue(new Uint8Array(piece));
        if (left === 0) stream.close();
      },
    });
    return new Response(body);
  });
  return log;
}

function passed(ms: number, signal: AbortSignal | null | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) reject(new Error("aborted"));
    setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => reject(new Error("aborted")));
  });
}

/** What was measured, and how long it took. */
async function measured(link: Link, abortAfterMs = 60_000): Promise<{ line: Awaited<ReturnType<typeof measureLine>>; tookMs: number; log: string[] }> {
  const log = serve(link);
  const abort = new AbortController();
  setTimeout(() => abort.abort(), abortAfterMs);
  const began = performance.now();
  const done = measureLine(abort.signal).then((line) => ({ line, tookMs: performance.now() - began, log }));
  await vi.advanceTimersByTimeAsync(60_000);
  return done;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a link is measured both ways with what it carries", async () => {
  const { line, tookMs } = await measured({ downKbps: 400, upKbps: 150, rttMs: 300 });
  expect(line.busy).toBe(false);
  expect(line.rttMs).toBeGreaterThanOrEqual(300);
  expect(Math.abs((line.kbps ?? 0) - 400)).toBeLessThan(20);
  expect(Math.abs((line.upKbps ?? 0) - 150)).toBeLessThan(10);
  expect(tookMs).toBeLessThan(9_000);
});

test.each([
  ["thin", { downKbps: 20, upKbps: 10, rttMs: 600 }],
  ["slow to answer", { downKbps: 400, upKbps: 150, rttMs: 2_500 }],
  ["dead", { downKbps: 1, upKbps: 1, rttMs: 1e6 }],
])("however bad the link, it is measured within 13 seconds: %s", async (_name, link) => {
  expect((await measured(link)).tookMs).toBeLessThanOrEqual(13_001);
});

test("a download that does not end tells its rate all the same, an upload that it is thin", async () => {
  const { line } = await measured({ downKbps: 60, upKbps: 20, rttMs: 400 });
  expect(Math.abs((line.kbps ?? 0) - 60)).toBeLessThan(12);
  expect(line.upKbps).toBeLessThan(50);
});

test("nobody there is no line", async () => {
  const { line, log } = await measured({ downKbps: 1, upKbps: 1, rttMs: 1e6 });
  expect(line).toMatchObject({ kbps: null, upKbps: null, rttMs: null, busy: false });
  expect(log.filter((one) => one.startsWith("POST"))).toEqual([]);
});

test.each(["GET", "POST"])("a server that has too many checks is busy, and not away: %s", async (refused) => {
  const { line } = await measured({ downKbps: 400, upKbps: 150, rttMs: 50, refuses: (url, method) => method === refused && !url.endsWith("=1") });
  expect(line).toMatchObject({ busy: true, kbps: null });
});

test("a lesson that begins has the link for itself", async () => {
  const { tookMs, log } = await measured({ downKbps: 60, upKbps: 20, rttMs: 400 }, 1_000);
  expect(tookMs).toBeLessThan(1_100);
  expect(log.some((one) => one.indexOf("131072") >= 0)).toBe(false);
});
