/** The check before the lesson in figures and one verdict: can the room hear, can it be heard, how good is its line. Pure but
 * for `measureLine`, which downloads some bytes. It holds no words: `verdict` names the text. */

import type { TextKey } from "./i18n";

/** Enough to see past TCP's slow start, little enough for a data plan: 3 s at 400 kbit/s. */
const PROBE_BYTES = 131_072;
const PROBE_WITHIN_MS = 12_000;
const PINGS = 3;
const PING_WITHIN_MS = 4_000;

/** A picture and sound with room to spare. */
const GOOD_KBPS = 500;
/** Sound, and a small picture. */
const FAIR_KBPS = 180;

export interface Line {
  /** What came down, kbit/s; null: nothing came. */
  readonly kbps: number | null;
  /** The least of some round trips, ms. */
  readonly rttMs: number | null;
  /** How live media goes: `udp`, or by a detour over `tcp` or a relay; empty while not known. */
  readonly media: "" | "udp" | "tcp";
}

export interface Checked {
  readonly hears: boolean;
  /** null: nobody tried, or there is no microphone to try. */
  readonly heard: boolean | null;
  readonly line: Line;
}

/** The one sentence. What stops the lesson comes first. */
export function verdict({ hears, heard, line }: Checked): TextKey {
  if (line.kbps === null) return "check.done.noline";
  if (!hears) return "check.done.nohear";
  if (heard === false) return "check.done.nospeak";
  if (line.kbps < FAIR_KBPS) return "check.done.thin";
  if (line.kbps < GOOD_KBPS) return "check.done.fair";
  return line.media === "tcp" ? "check.done.noudp" : "check.done.good";
}

/** The rate of a download, without the time of its first round trip. */
export function rateKbps(bytes: number, tookMs: number, rttMs: number): number {
  return Math.round((bytes * 8) / Math.max(1, tookMs - rttMs));
}

/** How media flows, by the pair that was chosen (its candidates' `protocol` and `candidateType`). */
export function pathOf(protocol: string, type: string): "udp" | "tcp" {
  return protocol === "tcp" || type === "relay" ? "tcp" : "udp";
}

/** Measure the line to the page's own server. Never throws: a line that is not there is a result. */
export async function measureLine(): Promise<{ readonly kbps: number | null; readonly rttMs: number | null }> {
  let rttMs: number | null = null;
  for (let i = 0; i < PINGS; i += 1) {
    const took = await timed(1, PING_WITHIN_MS);
    if (took !== null) rttMs = rttMs === null ? took : Math.min(rttMs, took);
  }
  if (rttMs === null) return { kbps: null, rttMs };
  const took = await timed(PROBE_BYTES, PROBE_WITHIN_MS);
  // So slow that it did not end in time: below this rate, and that is all that matters.
  return { kbps: took === null ? Math.round((PROBE_BYTES * 8) / PROBE_WITHIN_MS / 2) : rateKbps(PROBE_BYTES, took, rttMs), rttMs };
}

async function timed(bytes: number, withinMs: number): Promise<number | null> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), withinMs);
  const began = performance.now();
  try {
    const response = await fetch(`/api/line?bytes=${bytes}`, { cache: "no-store", credentials: "omit", signal: abort.signal });
    await response.arrayBuffer();
    return response.ok ? performance.now() - began : null;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
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
