/** Keeps the encodings of one sender as they should be: reads what should be, writes what differs, one write at a time, as
 * browsers refuse a second one before the first is done. Knows no reasons. */

import type { Shape } from "./encodings";

/** What a tuner needs of an `RTCRtpSender`. */
export type TunedSender = Pick<RTCRtpSender, "getParameters" | "setParameters">;

/** What an encoding should be, where it matters. */
export type Wish = Partial<Shape>;

const NAMES = ["active", "maxBitrate", "maxFramerate", "scaleResolutionDownBy"] as const;
/** Nobody sees a scale differ by less; browsers round it. */
const SAME = 1e-6;

export class Tuner {
  private busy = false;
  private again = false;
  private kept: RTCDegradationPreference | "" = "";

  /** @param wishes what each negotiated encoding (by its rid, empty where it has none) should be now, in order
   *  @param keep what the encoder gives up last; undefined leaves that to the browser */
  constructor(
    private readonly sender: TunedSender,
    private readonly wishes: (rids: readonly string[]) => readonly Wish[],
    private readonly keep: () => RTCDegradationPreference | undefined = () => undefined,
  ) {}

  /** Make it so, now or as soon as the change under way is done. */
  tune(): void {
    if (this.busy) {
      this.again = true;
      return;
    }
    let parameters: RTCRtpSendParameters;
    try {
      parameters = this.sender.getParameters();
    } catch {
      return;
    }
    const encodings = parameters.encodings ?? [];
    const wishes = this.wishes(encodings.map((one) => one.rid ?? ""));
    // Browsers do not all tell what they keep, so what was last said counts.
    const keep = this.keep() ?? "";
    const other = keep !== this.kept;
    if (!encodings.map((one, place) => fit(one, wishes[place] ?? {})).some((changed) => changed) && !other) return;
    if (keep !== "") (parameters as { degradationPreference?: RTCDegradationPreference }).degradationPreference = keep;
    this.kept = keep;
    this.busy = true;
    this.sender
      .setParameters(parameters)
      .catch(() => {
        // Refused, or closed in between: congestion control still holds the rate to what the link carries.
        this.again = false;
      })
      .then(() => {
        this.busy = false;
        if (!this.again) return;
        this.again = false;
        this.tune();
      });
  }
}

/** Change `encoding` to the wish; returns whether anything differed. An absent `active` means true, an absent scale 1. */
function fit(encoding: RTCRtpEncodingParameters, wish: Wish): boolean {
  let changed = false;
  for (const name of NAMES) {
    const wanted = wish[name];
    if (wanted === undefined) continue;
    const now = encoding[name] ?? (name === "active" ? true : name === "scaleResolutionDownBy" ? 1 : undefined);
    const same = typeof now === "number" && typeof wanted === "number" ? Math.abs(now - wanted) < SAME : now === wanted;
    if (same) continue;
    Object.assign(encoding, { [name]: wanted });
    changed = true;
  }
  return changed;
}
