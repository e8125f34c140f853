/** One moving picture. Always silent: sound is played by `lib/sound`. */

import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";

export interface PictureProps {
  readonly stream: MediaStream | null;
  /** What it shows, for screen readers. */
  readonly label: string;
  /** Own cameras are shown as in a mirror. */
  readonly mirrored?: boolean | undefined;
  readonly class?: string | undefined;
}

export function Picture({ stream, label, mirrored = false, class: extra }: PictureProps): JSX.Element {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (video === null) return;
    // Set by property: the `muted` attribute alone does not let Safari play without a press.
    video.muted = true;
    if (video.srcObject !== stream) video.srcObject = stream;
    if (stream !== null) {
      video.play().catch(() => {
        // Plays as soon as data or a press comes; `autoplay` stands.
      });
    }
  }, [stream]);
  const classes = ["picture", mirrored ? "picture-mirrored" : "", extra ?? ""].filter((one) => one !== "").join(" ");
  return <video ref={element} class={classes} autoPlay muted playsInline aria-label={label} />;
}
