/** What the kinds of lesson ask of microphone and camera: speech; music (both channels, unprocessed); detail (a drawing, an
 * experiment: resolution before frames); motion (sport, dance: frames before resolution). A table, and nothing else: it
 * knows no browser and no connection. */

import type { Mode } from "../generated/messages";
import type { CaptureSettings } from "./capture";
import { SPEECH_SOUND, type SoundWish, TEACHER_PICTURE } from "./devices";
import { type Budget, TEACHER_BUDGETS } from "./encodings";

/** How a mode is sent. */
export interface ModePlan {
  readonly mode: Mode;
  readonly capture: CaptureSettings;
  /** Two channels are sent. */
  readonly stereo: boolean;
  /** What the sound may use, bits of Opus per second: the best, and what thinner uplinks step down to. */
  readonly soundBps: readonly [number, ...number[]];
  readonly camera: Budget;
  /** What the camera's encoder gives up last. */
  readonly hint: "motion" | "detail";
  readonly keep: RTCDegradationPreference;
}

/** 128 kbit/s is music as it was recorded; 96 the least that a listener in a classroom cannot tell from it; 64 still has
 *  both channels. */
export const MUSIC_BPS = [128_000, 96_000, 64_000] as const;

/** No browser may clean it: what takes noise away takes away a flute, and gain control flattens every crescendo. Without
 *  echo cancelling the volunteer needs headphones, which the page has to say. */
const MUSIC_SOUND: SoundWish = { channels: 2, processed: false };

const SPEECH_CAMERA: Budget = TEACHER_BUDGETS.camera ?? { bitsPerSecond: 900_000 };

const SPEECH: ModePlan = {
  mode: "speech",
  capture: { picture: TEACHER_PICTURE, sound: SPEECH_SOUND },
  stereo: false,
  soundBps: [TEACHER_BUDGETS.microphone?.bitsPerSecond ?? 32_000],
  camera: SPEECH_CAMERA,
  hint: "motion",
  keep: "balanced",
};

export const MODES: Readonly<Record<Mode, ModePlan>> = {
  speech: SPEECH,
  music: { ...SPEECH, mode: "music", capture: { picture: TEACHER_PICTURE, sound: MUSIC_SOUND }, stereo: true, soundBps: MUSIC_BPS },
  detail: {
    ...SPEECH,
    mode: "detail",
    capture: { picture: { width: 1920, height: 1080, framesPerSecond: 10 }, sound: SPEECH_SOUND },
    // At five frames even 110 kbit/s show twice the lines.
    camera: {
      bitsPerSecond: 1_200_000,
      framesPerSecond: 10,
      layered: true,
      heights: { low: 360, middle: 540, high: 1080 },
      lowFramesPerSecond: 5,
    },
    hint: "detail",
    keep: "maintain-resolution",
  },
  motion: {
    ...SPEECH,
    mode: "motion",
    capture: { picture: { ...TEACHER_PICTURE, framesPerSecond: 30 }, sound: SPEECH_SOUND },
    camera: { bitsPerSecond: 1_200_000, framesPerSecond: 30, layered: true },
    keep: "maintain-framerate",
  },
};

/** The plan of what the server calls a mode; speech for one that a newer server may know. */
export function planOf(mode: string): ModePlan {
  return Object.prototype.hasOwnProperty.call(MODES, mode) ? MODES[mode as Mode] : SPEECH;
}
