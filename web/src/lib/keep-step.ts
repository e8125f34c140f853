/** Holds a media element to the lesson's player: looks several times a second where it stands, and does what `in-step.ts` says.
 * The element's sound is let out by the page (a browser may refuse to play before anybody pressed anything). */

import type { Player } from "../generated/messages";
import { stepOf } from "./in-step";

const LOOK_EVERY_MS = 250;

export interface KeepStep {
  /** Look now: the player has changed. */
  readonly now: () => void;
  readonly stop: () => void;
}

/** Keep `element` in step until `stop`. `player` is null while there is none; `nowMs` is the server's clock. `refused` hears
 *  whether the browser lets it sound at all: true after a refusal, false once it plays. */
export function keepInStep(
  element: HTMLMediaElement,
  player: () => Player | null,
  nowMs: () => number,
  refused: (is: boolean) => void = () => undefined,
): KeepStep {
  let soughtAtMs = -Infinity;
  let asked = false;
  const look = (): void => {
    const wanted = player();
    if (wanted === null) {
      element.pause();
      return;
    }
    const { play, seek_s, rate } = stepOf(wanted, nowMs(), {
      time_s: element.currentTime,
      paused: element.paused,
      ready: element.readyState >= 1 && !element.seeking,
      duration_s: isFinite(element.duration) ? element.duration : null,
      since_seek_s: (performance.now() - soughtAtMs) / 1000,
    });
    if (seek_s !== null) {
      soughtAtMs = performance.now();
      element.currentTime = seek_s;
    }
    if (element.playbackRate !== rate) element.playbackRate = rate;
    if (!play && !element.paused) element.pause();
    if (play && element.paused && !asked) {
      asked = true;
      element.play().then(
        () => {
          asked = false;
          refused(false);
        },
        (error: unknown) => {
          asked = false;
          if (error instanceof DOMException && error.name === "NotAllowedError") refused(true);
        },
      );
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  element.addEventListener("loadedmetadata", look);
  element.addEventListener("seeked", look);
  look();
  return {
    now: look,
    stop: () => {
      clearInterval(timer);
      element.removeEventListener("loadedmetadata", look);
      element.removeEventListener("seeked", look);
      element.pause();
    },
  };
}
