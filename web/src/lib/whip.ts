/** Publishing: one session with a transceiver for each kind of source. Tracks go in and out by `replaceTrack`, so turning a
 * camera on, changing a microphone or sharing a screen needs no new offer. */

import type { SourceKind } from "../generated/messages";
import { MediaSession } from "./media-session";
import { preferredCodecs } from "./sdp";

/** What one kind may use of the uplink. */
export interface Budget {
  readonly bitsPerSecond: number;
  readonly framesPerSecond?: number | undefined;
}

export type Budgets = Partial<Readonly<Record<SourceKind, Budget>>>;

/** A volunteer in the city: good sound, a 640x360 to 720p picture, a screen that can be read. */
export const TEACHER_BUDGETS: Budgets = {
  microphone: { bitsPerSecond: 40_000 },
  camera: { bitsPerSecond: 900_000, framesPerSecond: 30 },
  screen: { bitsPerSecond: 1_200_000, framesPerSecond: 15 },
};

/** A village uplink of some 150 to 300 kbit/s: the sound first, a small picture. */
export const CLASSROOM_BUDGETS: Budgets = {
  microphone: { bitsPerSecond: 32_000 },
  camera: { bitsPerSecond: 250_000, framesPerSecond: 15 },
};

/** The order of the m-lines, which is how the server knows them apart. */
const ORDER: readonly SourceKind[] = ["microphone", "camera", "screen"];

export class Publisher {
  readonly session: MediaSession;
  private readonly tracks: Partial<Record<SourceKind, MediaStreamTrack | null>> = {};
  private senders: Partial<Record<SourceKind, RTCRtpSender>> = {};

  constructor(
    url: () => string,
    token: () => string,
    private readonly budgets: Budgets,
  ) {
    this.session = new MediaSession({
      url,
      token,
      prepare: (pc) => this.prepare(pc),
      answered: () => this.applyBudgets(),
    });
  }

  /** Send `track` as `kind` from now on; null sends nothing. The track stays the caller's to stop. */
  setTrack(kind: SourceKind, track: MediaStreamTrack | null): void {
    this.tracks[kind] = track;
    hint(kind, track);
    const sender = this.senders[kind];
    if (sender === undefined) return;
    sender.replaceTrack(track).catch(() => {
      // The connection closed in between: the next session takes the track from `tracks`.
    });
  }

  private prepare(pc: RTCPeerConnection): void {
    this.senders = {};
    for (const kind of ORDER) {
      const budget = this.budgets[kind];
      if (budget === undefined) continue;
      const media = kind === "microphone" ? "audio" : "video";
      const transceiver = pc.addTransceiver(this.tracks[kind] ?? media, {
        direction: "sendonly",
        sendEncodings: [encoding(budget)],
      });
      if (media === "video") preferCodecs(transceiver);
      this.senders[kind] = transceiver.sender;
    }
  }

  /** Browsers that ignored `sendEncodings` (Firefox before 110) take the limits now. */
  private applyBudgets(): void {
    for (const kind of ORDER) {
      const sender = this.senders[kind];
      const budget = this.budgets[kind];
      if (sender === undefined || budget === undefined) continue;
      const parameters = sender.getParameters();
      const first = parameters.encodings?.[0];
      if (first === undefined || first.maxBitrate !== undefined) continue;
      Object.assign(first, encoding(budget));
      sender.setParameters(parameters).catch(() => {
        // No limits then: congestion control still holds the rate to what the link carries.
      });
    }
  }
}

function encoding(budget: Budget): RTCRtpEncodingParameters {
  const out: RTCRtpEncodingParameters = { maxBitrate: budget.bitsPerSecond };
  if (budget.framesPerSecond !== undefined) out.maxFramerate = budget.framesPerSecond;
  return out;
}

function preferCodecs(transceiver: RTCRtpTransceiver): void {
  const known = typeof RTCRtpSender.getCapabilities === "function" ? RTCRtpSender.getCapabilities("video") : null;
  if (known === null || typeof transceiver.setCodecPreferences !== "function") return;
  try {
    transceiver.setCodecPreferences(preferredCodecs(known.codecs));
  } catch {
    // The browser's own order will do.
  }
}

/** Tell the encoder what it looks at: a screen must stay sharp, a camera must stay fluent. */
function hint(kind: SourceKind, track: MediaStreamTrack | null): void {
  if (track === null || !("contentHint" in track)) return;
  track.contentHint = kind === "microphone" ? "speech" : kind === "screen" ? "detail" : "motion";
}
