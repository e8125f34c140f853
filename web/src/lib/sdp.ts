/** The little SDP that a page touches itself: the fragment of an ICE restart (RFC 9725 section 4.3.3, RFC 8840), and the
 * order in which codecs are offered. Pure text in, text out. */

/** The `trickle-ice-sdpfrag` that asks for an ICE restart with the credentials of `offer`. */
export function restartFragment(offer: string): string {
  const lines = offer.split(/\r?\n/);
  const media = lines.findIndex((line) => line.startsWith("m="));
  const out: string[] = [];
  const group = lines.find((line) => line.startsWith("a=group:BUNDLE"));
  if (group !== undefined) out.push(group);
  // With BUNDLE all media share the first section's transport, so its credentials are the only ones.
  const section = media < 0 ? [] : lines.slice(media);
  const next = section.findIndex((line, i) => i > 0 && line.startsWith("m="));
  const first = next < 0 ? section : section.slice(0, next);
  const keep = ["m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:"];
  for (const line of first) if (keep.some((start) => line.startsWith(start))) out.push(line);
  return `${out.join("\r\n")}\r\n`;
}

/** The earlier `answer` with the ICE credentials, and candidates if any, that the server's `fragment` brings.
 *  Returns null when the fragment holds no credentials. */
export function restartedAnswer(answer: string, fragment: string): string | null {
  const lines = fragment.split(/\r?\n/);
  const ufrag = lines.find((line) => line.startsWith("a=ice-ufrag:"));
  const pwd = lines.find((line) => line.startsWith("a=ice-pwd:"));
  if (ufrag === undefined || pwd === undefined) return null;
  const candidates = lines.filter((line) => line.startsWith("a=candidate:"));
  const out: string[] = [];
  for (const line of answer.split(/\r?\n/)) {
    if (line.startsWith("a=ice-ufrag:")) {
      out.push(ufrag);
    } else if (line.startsWith("a=ice-pwd:")) {
      out.push(pwd);
      if (candidates.length > 0) out.push(...candidates);
    } else if (!(candidates.length > 0 && line.startsWith("a=candidate:"))) {
      out.push(line);
    }
  }
  return out.join("\r\n");
}

export interface Codec {
  readonly mimeType: string;
  readonly sdpFmtpLine?: string | undefined;
}

/** Codecs in the order that serves old classrooms best: H264 constrained baseline, other H264, VP8, VP9, AV1; repair
 *  formats (rtx, red, ulpfec) last, in the order they came. */
export function preferredCodecs<C extends Codec>(codecs: readonly C[]): C[] {
  const weight = (codec: C): number => {
    const name = codec.mimeType.toLowerCase();
    const fmtp = (codec.sdpFmtpLine ?? "").toLowerCase();
    if (name === "video/h264") {
      const baseline = fmtp.indexOf("profile-level-id=42e0") >= 0;
      const whole = fmtp.indexOf("packetization-mode=1") >= 0;
      return (baseline ? 0 : 2) + (whole ? 0 : 1);
    }
    const order = ["video/vp8", "video/vp9", "video/av1"].indexOf(name);
    return order < 0 ? 99 : 10 + order;
  };
  return codecs
    .map((codec, place) => ({ codec, place }))
    .sort((a, b) => weight(a.codec) - weight(b.codec) || a.place - b.place)
    .map(({ codec }) => codec);
}

/** The session's id: the last segment of its URL. */
export function sessionId(location: string): string {
  const path = location.split(/[?#]/)[0] ?? "";
  const parts = path.split("/").filter((part) => part !== "");
  return parts[parts.length - 1] ?? "";
}
