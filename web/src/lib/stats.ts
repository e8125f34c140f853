/** Reads `getStats` of the seats into the counters that `receiving` judges. Browsers of 2020 keep some counters in `track`
 * entries; both places are read. */

import { midOf } from "./lesson-view";
import type { Participant, Slot } from "../generated/messages";
import { type AudioCounters, NO_AUDIO, NO_VIDEO, type Sample, type VideoCounters } from "./receiving";
import type { Seat } from "./whep";

type Entry = Readonly<Record<string, unknown>>;

interface SeatCounters {
  readonly audio: AudioCounters;
  readonly video: VideoCounters;
  readonly bytes: number;
}

function number(entry: Entry, name: string): number {
  const value = entry[name];
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function optional(entry: Entry, name: string): number | null {
  return typeof entry[name] === "number" ? number(entry, name) : null;
}

async function readSeat(seat: Seat): Promise<SeatCounters> {
  const merged: Record<string, unknown> = {};
  const report = await seat.receiver.getStats();
  report.forEach((entry: Entry) => {
    if (entry["type"] === "track" || entry["type"] === "inbound-rtp") Object.assign(merged, entry);
  });
  const packets = number(merged, "packetsReceived");
  const lost = number(merged, "packetsLost");
  const concealed = optional(merged, "concealedSamples");
  return {
    audio: {
      packets,
      lost,
      samples: optional(merged, "totalSamplesReceived"),
      // Silence that is made up is heard by nobody.
      concealed: concealed === null ? null : Math.max(0, concealed - number(merged, "silentConcealedSamples")),
      waitedS: number(merged, "jitterBufferDelay"),
      emitted: number(merged, "jitterBufferEmittedCount"),
    },
    video: { packets, lost, frames: number(merged, "framesDecoded") },
    bytes: number(merged, "bytesReceived"),
  };
}

async function roundTripMs(pc: RTCPeerConnection): Promise<number | null> {
  let rtt: number | null = null;
  (await pc.getStats()).forEach((entry: Entry) => {
    if (entry["type"] === "candidate-pair" && entry["state"] === "succeeded") {
      const seconds = optional(entry, "currentRoundTripTime");
      if (seconds !== null) rtt = seconds * 1000;
    }
  });
  return rtt;
}

/** The sources a page is judged by: the volunteer's sound, camera and screen. */
export interface Watched {
  readonly sound: string | null;
  readonly camera: string | null;
  readonly screen: string | null;
}

/** The seats (by `mid`) of what `teachers` send. */
export function watched(slots: readonly Slot[], teachers: readonly Participant[]): Watched {
  const first = (kind: "microphone" | "camera" | "screen"): string | null => {
    for (const teacher of teachers) {
      const mid = midOf(slots, teacher.id, kind);
      if (mid !== null) return mid;
    }
    return null;
  };
  return { sound: first("microphone"), camera: first("camera"), screen: first("screen") };
}

/** Counters of the session now. */
export async function takeSample(
  pc: RTCPeerConnection,
  session: string,
  seats: readonly Seat[],
  which: Watched,
  atMs: number,
): Promise<Sample> {
  const read = await Promise.all(seats.map(readSeat));
  const of = (mid: string | null): SeatCounters | undefined => {
    const place = mid === null ? -1 : seats.findIndex((seat) => seat.mid === mid);
    return place < 0 ? undefined : read[place];
  };
  return {
    atMs,
    session,
    audio: of(which.sound)?.audio ?? NO_AUDIO,
    camera: of(which.camera)?.video ?? NO_VIDEO,
    screen: of(which.screen)?.video ?? NO_VIDEO,
    bytes: read.reduce((sum, one) => sum + one.bytes, 0),
    rttMs: await roundTripMs(pc),
  };
}
