/** One or two channels of Opus, as SDP says it (RFC 7587 section 6.1). Browsers send and decode one channel unless the other
 * side's description, or their own, asks for two. Pure text in, text out. */

const CHANNELS = /^(stereo|sprop-stereo|maxaveragebitrate)=/;

/** The description's sound sections with the parameters of Opus changed by `change`. */
function opus(sdp: string, change: (parameters: readonly string[], section: number) => readonly string[]): string {
  let sounds = -1;
  return sdp
    .split(/(?=^m=)/m)
    .map((section) => {
      if (!section.startsWith("m=audio")) return section;
      sounds += 1;
      const type = /^a=rtpmap:(\d+) opus\/48000\/2\r?$/im.exec(section)?.[1];
      if (type === undefined) return section;
      const said = new RegExp(`^a=fmtp:${type} ([^\\r\\n]*)`, "m").exec(section);
      const before = said === null ? [] : (said[1] ?? "").split(";").filter((one) => one !== "");
      const after = change(before, sounds);
      if (after === before) return section;
      const line = `a=fmtp:${type} ${after.join(";")}`;
      if (said !== null) return section.replace(said[0], line);
      return section.replace(new RegExp(`^(a=rtpmap:${type} [^\\r\\n]*)(\\r?\\n)`, "m"), `$1$2${line}$2`);
    })
    .join("");
}

/** A watching page's own offer, so that its decoders put out both channels where there are two. */
export function hearsStereo(offer: string): string {
  return opus(offer, (before) => (before.indexOf("stereo=1") >= 0 ? before : before.filter((one) => !CHANNELS.test(one)).concat("stereo=1")));
}

/** A publisher's description, its own or the answer to it, with its first sound in two channels of at most `bitsPerSecond`
 *  together, or in one (null). The other sound is the thin voice, which always has one. */
export function sendsStereo(sdp: string, bitsPerSecond: number | null): string {
  return opus(sdp, (before, section) => {
    if (section > 0) return before;
    const plain = before.filter((one) => !CHANNELS.test(one));
    if (bitsPerSecond === null) return plain.length === before.length ? before : plain;
    return plain.concat("stereo=1", "sprop-stereo=1", `maxaveragebitrate=${bitsPerSecond}`);
  });
}
