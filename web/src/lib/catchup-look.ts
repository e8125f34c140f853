/** One look at a live sound's `getStats`: what arrived, what was made up, how long it waited. Two readings make a look; a
 * session or a seat that changed starts afresh. */

import type { Seat } from "./whep";

type Entry = Readonly<Record<string, unknown>>;

/** Counters of a sound receiver since its session began. */
export interface Reading {
  readonly id: string;
  readonly packets: number;
  readonly samples: number;
  readonly concealed: number;
  readonly waitedS: number;
  readonly emitted: number;
  readonly jitterMs: number;
  /** The server's wall of what plays now, ms since 1970, where sender reports have told; null otherwise. */
  readonly playsMs: number | null;
  /** All bytes and consent answers of the connection; null where they were not asked for. */
  readonly signs: number | null;
}

export interface Look {
  readonly packets: number;
  readonly concealed: number;
  readonly delayMs: number | null;
  readonly jitterMs: number;
  readonly playsMs: number | null;
  readonly alive: boolean;
}

export const NOTHING: Look = { packets: 0, concealed: 1, delayMs: null, jitterMs: 0, playsMs: null, alive: false };

/** Milliseconds from the epoch of NTP (1900) to that of Unix. */
const NTP_TO_UNIX_MS = 2_208_988_800_000;

/** `estimatedPlayoutTimestamp`, which Chromium gives since 1900 and the standard since 1970. */
export function playoutWall(stamp: unknown): number | null {
  if (typeof stamp !== "number" || !(stamp > 0)) return null;
  return stamp > NTP_TO_UNIX_MS + 1_000_000_000_000 ? stamp - NTP_TO_UNIX_MS : stamp;
}

/** What happened between two readings. */
export function between(before: Reading | null, after: Reading): Look {
  if (before === null || before.id !== after.id) return { ...NOTHING, packets: after.packets, jitterMs: after.jitterMs };
  const packets = Math.max(0, after.packets - before.packets);
  const samples = after.samples - before.samples;
  const emitted = after.emitted - before.emitted;
  const silent = packets === 0 && before.signs !== null && after.signs !== null;
  return {
    packets,
    concealed: samples > 0 ? Math.min(1, Math.max(0, (after.concealed - before.concealed) / samples)) : packets > 0 ? 0 : 1,
    delayMs: emitted > 0 ? Math.max(0, ((after.waitedS - before.waitedS) * 1000) / emitted) : null,
    jitterMs: after.jitterMs,
    // Without packets it only runs on by the clock.
    playsMs: packets > 0 ? after.playsMs : null,
    alive: silent && (after.signs ?? 0) > (before.signs ?? 0),
  };
}

/** All that came over the connection: it grows while the connection lives. */
export async function signs(pc: RTCPeerConnection): Promise<number> {
  let seen = 0;
  (await pc.getStats()).forEach((entry: Entry) => {
    if (entry["type"] === "transport") seen += number(entry, "bytesReceived");
    if (entry["type"] === "candidate-pair") seen += number(entry, "responsesReceived");
  });
  return seen;
}

function number(entry: Entry, name: string): number {
  const value = entry[name];
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

/** Read the sound of `seat`. `all` true: also whether anything at all arrives, which costs a reading of the whole
 *  connection. */
export async function read(pc: RTCPeerConnection, seat: Seat, session: string, all: boolean): Promise<Reading> {
  const merged: Record<string, unknown> = {};
  (await seat.receiver.getStats()).forEach((entry: Entry) => {
    if (entry["type"] === "track" || entry["type"] === "inbound-rtp") Object.assign(merged, entry);
  });
  return {
    // After a flush the browser counts anew under another SSRC's entry or the same one: both start afresh.
    id: `${session}.${seat.mid}`,
    packets: number(merged, "packetsReceived"),
    samples: number(merged, "totalSamplesReceived"),
    concealed: number(merged, "concealedSamples"),
    waitedS: number(merged, "jitterBufferDelay"),
    emitted: number(merged, "jitterBufferEmittedCount"),
    jitterMs: number(merged, "jitter") * 1000,
    playsMs: playoutWall(merged["estimatedPlayoutTimestamp"]),
    signs: all ? await signs(pc) : null,
  };
}
