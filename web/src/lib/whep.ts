/** Watching: one session with a fixed set of empty seats, which the server fills without a new offer. Knows which stream
 * sits on which `mid`; what it shows is said by `SlotsChanged`. */

import { signal } from "@preact/signals";
import type { IceServer } from "../generated/messages";
import type { Door } from "./access";
import { takeHeadStart } from "./head-start";
import { MediaSession } from "./media-session";
import { addSeats } from "./seats";
import { compacted } from "./sdp-receive";
import { hearsStereo } from "./sdp-sound";

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

  constructor(door: () => Door, iceServers: () => readonly IceServer[] = () => []) {
    this.session = new MediaSession({
      url: () => door().url,
      token: () => door().token,
      headers: () => door().headers,
      iceServers,
      headStart: takeHeadStart,
      described: hearsStereo,
      posted: compacted,
      prepare: addSeats,
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
