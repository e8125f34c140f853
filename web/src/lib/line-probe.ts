/** Measures the line to the page's own server, and rings the bell of the check. It never takes longer than it may, moves
 * some 150 kB, and never throws: a line that is not there is a result. What the figures mean is `line-check`'s to say. */

import { type Line, pathOf, rateKbps, steadiness } from "./line-check";

/** A round trip each: together under a kilobyte, with headers some five. */
const PINGS = 8;
const PING_WITHIN_MS = 3_000;
const PINGS_WITHIN_MS = 5_000;
/** Enough to see past TCP's slow start, little enough for a data plan. It is counted as it comes, so it need not end. */
const DOWN_BYTES = 131_072;
const DOWN_WITHIN_MS = 4_000;
/** Little more than TCP sends at once, so that it times the line and not TCP: 1.3 s at 100 kbit/s. */
const UP_BYTES = 16_384;
const UP_WITHIN_MS = 4_000;

/** Thrown by a request that the server refused for coming too often. */
class TooOften extends Error {}

/**
 * Measure round trips, the way up and the way down, in this order: 13 s at most.
 *
 * @param signal ends it early, when the link is wanted for the lesson
 */
export async function measureLine(signal: AbortSignal): Promise<Omit<Line, "media">> {
  const took: (number | null)[] = [];
  let upKbps: number | null = null;
  let kbps: number | null = null;
  let busy = false;
  try {
    const pingsEnd = performance.now() + PINGS_WITHIN_MS;
    const ping = (): Promise<number | null> => roundTrip(Math.min(PING_WITHIN_MS, pingsEnd - performance.now()), signal);
    // The first one opens the connection, which takes two or three round trips.
    await ping();
    while (took.length < PINGS && performance.now() < pingsEnd && !signal.aborted) took.push(await ping());
    const { rttMs } = steadiness(took);
    if (rttMs !== null) {
      upKbps = await up(rttMs, signal);
      kbps = await down(rttMs, signal);
    }
  } catch (error) {
    busy = error instanceof TooOften;
  }
  return { kbps, upKbps, busy, ...steadiness(took) };
}

/** Null: not in time. */
async function roundTrip(withinMs: number, signal: AbortSignal): Promise<number | null> {
  const began = performance.now();
  const read = async (response: Response): Promise<void> => void (await response.arrayBuffer());
  return (await asked("/api/line?bytes=1", {}, withinMs, signal, read)) ? performance.now() - began : null;
}

/** What did not end in time is below this rate, and that is all that matters. */
async function up(rttMs: number, signal: AbortSignal): Promise<number> {
  const noise = crypto.getRandomValues(new Uint8Array(UP_BYTES));
  const init = { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: noise };
  const began = performance.now();
  const done = await asked("/api/line", init, UP_WITHIN_MS, signal, () => Promise.resolve());
  return done ? rateKbps(UP_BYTES, performance.now() - began, rttMs) : Math.round((UP_BYTES * 8) / UP_WITHIN_MS / 2);
}

/** Null: nothing came at all. */
async function down(rttMs: number, signal: AbortSignal): Promise<number | null> {
  const began = performance.now();
  let bytes = 0;
  let lastMs = began;
  const all = await asked(`/api/line?bytes=${DOWN_BYTES}`, {}, DOWN_WITHIN_MS, signal, async (response) => {
    const reader = response.body?.getReader();
    for (let piece = await reader?.read(); piece !== undefined && !piece.done; piece = await reader?.read()) {
      bytes += piece.value.length;
      lastMs = performance.now();
    }
  });
  if (bytes === 0) return null;
  // Cut off in the middle: a link that stalled counts as long as it was waited for.
  return rateKbps(bytes, (all ? lastMs : performance.now()) - began, rttMs);
}

/** One request, with its body, within a time. False: it did not end well. Throws `TooOften`. */
async function asked(
  url: string,
  init: RequestInit,
  withinMs: number,
  signal: AbortSignal,
  read: (response: Response) => Promise<void>,
): Promise<boolean> {
  if (signal.aborted) return false;
  const abort = new AbortController();
  const end = (): void => abort.abort();
  const timer = setTimeout(end, withinMs);
  signal.addEventListener("abort", end);
  try {
    const response = await fetch(url, { ...init, cache: "no-store", credentials: "omit", signal: abort.signal });
    if (response.status === 429) throw new TooOften();
    if (!response.ok) return false;
    await read(response);
    return true;
  } catch (error) {
    if (error instanceof TooOften) throw error;
    return false;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

/** How the media of this connection goes. */
export async function mediaPath(pc: RTCPeerConnection | null): Promise<"" | "udp" | "tcp"> {
  if (pc === null) return "";
  const entries = new Map<string, Readonly<Record<string, unknown>>>();
  (await pc.getStats()).forEach((entry: Readonly<Record<string, unknown>>) => entries.set(String(entry["id"]), entry));
  let found: "" | "udp" | "tcp" = "";
  entries.forEach((entry) => {
    if (entry["type"] !== "candidate-pair" || entry["state"] !== "succeeded" || entry["nominated"] !== true) return;
    const local = entries.get(String(entry["localCandidateId"]));
    found = pathOf(String(local?.["protocol"] ?? ""), String(local?.["candidateType"] ?? ""));
  });
  return found;
}

/** Two strokes of a bell; resolves when they have rung. False where the browser plays nothing. */
export async function ring(): Promise<boolean> {
  if (typeof AudioContext === "undefined") return false;
  const context = new AudioContext();
  try {
    await context.resume();
    [0, 0.45].forEach((at, place) => {
      const tone = context.createOscillator();
      const gain = context.createGain();
      tone.frequency.value = place === 0 ? 880 : 660;
      gain.gain.setValueAtTime(0.0001, context.currentTime + at);
      gain.gain.exponentialRampToValueAtTime(0.5, context.currentTime + at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, context.currentTime + at + 0.8);
      tone.connect(gain);
      gain.connect(context.destination);
      tone.start(context.currentTime + at);
      tone.stop(context.currentTime + at + 0.9);
    });
    await new Promise((resolve) => setTimeout(resolve, 1_400));
    return true;
  } catch {
    return false;
  } finally {
    void context.close();
  }
}
