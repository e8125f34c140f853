/** The SDP of a page that watches: what it offers to receive, kept small for a thin uplink, and its own copy of an answer with
 * the sound switched off. Pure text and lists in and out. */

import { type Codec, preferredCodecs } from "./sdp";

/** The codecs that a watching page offers: each of them once. A browser's whole list makes an offer of 25 kB with nine
 *  seats, which takes a second and a half on an uplink of 150 kbit/s, and overflows its queue.
 *
 * @param whole false: only what our own pages send, for the seats of other classrooms
 */
export function receivedCodecs<C extends Codec>(codecs: readonly C[], whole = true): C[] {
  const constrained = codecs.some((one) => /profile-level-id=42e0/i.test(one.sdpFmtpLine ?? ""));
  return preferredCodecs(codecs).filter((codec) => {
    const name = codec.mimeType.toLowerCase();
    const fmtp = (codec.sdpFmtpLine ?? "").toLowerCase();
    if (name === "video/h264") {
      // What is called Baseline is the constrained one: no encoder of WebRTC makes the other.
      const baseline = constrained ? /profile-level-id=42e0/.test(fmtp) : /profile-level-id=42/.test(fmtp);
      return fmtp.indexOf("packetization-mode=1") >= 0 && (baseline || (whole && /profile-level-id=(4d|64)/.test(fmtp)));
    }
    if (!whole && (name === "video/vp9" || name === "video/av1")) return false;
    if (name === "video/vp9") return !/profile-id=[1-9]/.test(fmtp);
    if (name === "video/av1") return !/profile=[1-9]/.test(fmtp);
    return ["video/vp8", "video/rtx", "audio/opus", "audio/red"].indexOf(name) >= 0;
  });
}

/** What a server that forwards packets has no use for: extensions that it strips, feedback that it does not read, and the
 *  address lines of before ICE. They are a quarter of an offer. */
const USELESS = [
  /^a=extmap:\d+(\/\w+)? (http:\/\/www\.webrtc\.org\/experiments\/|urn:3gpp:|urn:ietf:params:rtp-hdrext:toffset)/,
  // What only a sender says.
  /^a=extmap:\d+(\/\w+)? urn:ietf:params:rtp-hdrext:(ssrc-audio-level|sdes:(repaired-)?rtp-stream-id)/,
  /^a=rtcp-fb:\S+ (goog-remb|ccm fir)/,
  /^a=rtcp:9 /,
];

/** With BUNDLE the first section's transport is everyone's (RFC 8843 section 7.1.3). */
const TRANSPORT = /^a=(ice-ufrag|ice-pwd|ice-options|fingerprint|setup):/;

/** The offer as it is posted: without what the server ignores anyway. The browser's own description keeps it all. */
export function compacted(offer: string): string {
  let sections = 0;
  return offer
    .split("\n")
    .filter((line) => {
      if (line.startsWith("m=")) sections += 1;
      return !USELESS.some((one) => one.test(line)) && (sections < 2 || !TRANSPORT.test(line));
    })
    .join("\n");
}

/** The answer with every sound section inactive. */
export function withoutSound(answer: string): string {
  return answer
    .split(/(?=^m=)/m)
    .map((section) => (section.startsWith("m=audio") ? section.replace(/^a=(sendonly|sendrecv)\r?$/m, "a=inactive\r") : section))
    .join("");
}
