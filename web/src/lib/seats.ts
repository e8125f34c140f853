/** The empty seats of a watching session (4 for sound, 5 for pictures), which the server fills without a new offer. */

import { receivedCodecs } from "./sdp-receive";

const AUDIO_SEATS = 4;
const VIDEO_SEATS = 5;
/** The first seats are the stage's, where a program of any make may publish; the others hold our own pages' cameras. */
const ANY_CODEC_SEATS = 3;

export function addSeats(pc: RTCPeerConnection): void {
  for (let i = 0; i < AUDIO_SEATS; i += 1) addSeat(pc, "audio", true);
  for (let i = 0; i < VIDEO_SEATS; i += 1) addSeat(pc, "video", i < ANY_CODEC_SEATS);
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
