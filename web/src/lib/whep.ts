/** Watching: one session with a fixed set of empty seats (4 for sound, 5 for pictures), which the server fills without a
 * new offer. Knows which stream sits on which `mid`; what it shows is said by `SlotsChanged`. */

import { signal } from "@preact/signals";
import { MediaSession } from "./media-session";

const AUDIO_SEATS = 4;
const VIDEO_SEATS = 5;

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

  constructor(url: () => string, token: () => string) {
    this.session = new MediaSession({
      url,
      token,
      prepare: (pc) => {
        for (let i = 0; i < AUDIO_SEATS; i += 1) pc.addTransceiver("audio", { direction: "recvonly" });
        for (let i = 0; i < VIDEO_SEATS; i += 1) pc.addTransceiver("video", { direction: "recvonly" });
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
