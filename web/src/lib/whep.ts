/** Watching: one session with a fixed set of empty seats (4 for sound, 5 for pictures), which the server fills without a
 * new offer. Knows which stream sits on which `mid`; what it shows is said by `SlotsChanged`. */

import { signal } from "@preact/signals";
import type { IceServer } from "../generated/messages";
import { MediaSession } from "./media-session";
import { compacted, receivedCodecs } from "./sdp-receive";

const AUDIO_SEATS = 4;
const VIDEO_SEATS = 5;
/** The first seats are the stage's, where a program of any make may publish; the others hold our own pages' cameras. */
const ANY_CODEC_SEATS = 3;

export interface Seat {
  readonly mid: string;
  readonly kind: "audio" | "video";
  readonly stream: MediaStream;
  readonly receiver: RTCRtpReceiver;
}

export class Subscriber {
  readonly session: MediaSession;
  /** The seats of the session; those of the last one stay until the next is answered, so that the picture stands still
   *  rather than going dark. */
  readonly seats = signal<readonly Seat[]>([]);

  constructor(url: () => string, token: () => string, iceServers: () => readonly IceServer[] = () => []) {
    this.session = new MediaSession({
      url,
      token,
      iceServers,
      posted: compacted,
      prepare: (pc) => {
        for (let i = 0; i < AUDIO_SEATS; i += 1) addSeat(pc, "audio", true);
        for (let i = 0; i < VIDEO_SEATS; i += 1) addSeat(pc, "video", i < ANY_CODEC_SEATS);
      },
      answered: (pc) => {
        this.seats.value = pc.getTransceivers().map(
          (transceiver): Seat => ({
            mid: transceiver.mid ?? "",
            kind: transceiver.receiver.track.kind === "audio" ? "audio" : "video",
            stream: new MediaStream([transceiver.receiver.track]),
            receiver: transceiver.receiver,
          }),
        );
      },
    });
  }

  /** The stream on `mid`, if there is such a seat. */
  stream(mid: string | null): MediaStream | null {
    return this.seats.value.find((seat) => seat.mid === mid)?.stream ?? null;
  }
}

function addSeat(pc: RTCPeerConnection, kind: "audio" | "video", whole: boolean): void {
  const transceiver = pc.addTransceiver(kind, { direction: "recvonly" });
  const known = typeof RTCRtpReceiver.getCapabilities === "function" ? RTCRtpReceiver.getCapabilities(kind) : null;
  if (known === null || typeof transceiver.setCodecPreferences !== "function") return;
  try {
    transceiver.setCodecPreferences(receivedCodecs(known.codecs, whole));
  } catch {
    // The browser's whole list then.
  }
}
