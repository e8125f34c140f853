/** Full screen as each browser has it: on any element, by WebKit's old name, or (iPhones) on a video alone. */

import { useEffect, useState } from "preact/hooks";

interface OldDocument extends Document {
  readonly webkitFullscreenElement?: Element | null;
  webkitExitFullscreen?: () => void;
}

interface OldElement extends HTMLElement {
  webkitRequestFullscreen?: () => void;
}

interface PhoneVideo extends HTMLVideoElement {
  webkitEnterFullscreen?: () => void;
}

export interface Fullscreen {
  readonly on: boolean;
  readonly toggle: () => void;
}

/** @param video what goes full screen where only a video can */
export function useFullscreen(frame: { readonly current: HTMLElement | null }, video: () => HTMLVideoElement | null): Fullscreen {
  const [on, setOn] = useState(false);
  useEffect(() => {
    const changed = (): void => setOn(shown() !== null);
    document.addEventListener("fullscreenchange", changed);
    document.addEventListener("webkitfullscreenchange", changed);
    return () => {
      document.removeEventListener("fullscreenchange", changed);
      document.removeEventListener("webkitfullscreenchange", changed);
    };
  }, []);
  return { on, toggle: () => toggle(frame.current, video()) };
}

function shown(): Element | null {
  const page = document as OldDocument;
  return page.fullscreenElement ?? page.webkitFullscreenElement ?? null;
}

function toggle(frame: OldElement | null, video: PhoneVideo | null): void {
  const page = document as OldDocument;
  if (shown() !== null) {
    if (typeof page.exitFullscreen === "function") void page.exitFullscreen();
    else page.webkitExitFullscreen?.();
  } else if (typeof frame?.requestFullscreen === "function") {
    // A refusal (no press, or forbidden by policy) leaves the page as it is.
    frame.requestFullscreen().catch(() => undefined);
  } else if (frame?.webkitRequestFullscreen !== undefined) frame.webkitRequestFullscreen();
  else video?.webkitEnterFullscreen?.();
}
