/** Plays the recording while a room is behind: the sound in an element of its own, the picture in another that follows the
 * sound's clock, so that a late picture never stops the sound. Told what to do; decides only whether there is room for the
 * picture. */

import { signal } from "@preact/signals";
import type { Recorded } from "./catchup";
import { CatchUpStream, type StreamPorts } from "./catchup-stream";

/** The picture's low rendition takes some 110 kbit/s; less than this beside the sound is no room for it. */
const PICTURE_NEEDS_KBPS = 100;
const SOUND_TAKES_KBPS = 40;
/** So much sound in hand shows that there is room, where the link is known to be wide enough. */
const SOUND_IN_HAND_S = 3;
/** So much shows it by itself, as what was known of the link may be from before it was cut. */
const PLENTY_S = 5;
/** Less than this and the picture goes, for a while. */
const SOUND_SHORT_S = 1.2;
const PICTURE_AGAIN_MS = 20_000;
/** The picture is moved when it is off by more; below it, it runs a little faster or slower. */
const JUMP_S = 1;

/** What the picture depends on. */
export interface Room {
  /** The room wants pictures: it neither saves data nor has spent its budget. */
  readonly wanted: boolean;
  /** What the link is known to carry; null when unknown. */
  readonly kbps: number | null;
}

/** May the picture be fetched beside the sound? */
export function pictureFits(open: boolean, aheadS: number, { wanted, kbps }: Room, nowMs: number, notBeforeMs: number): boolean {
  if (!wanted) return false;
  if (open) return aheadS >= SOUND_SHORT_S;
  if (nowMs < notBeforeMs || aheadS < SOUND_IN_HAND_S) return false;
  if (aheadS >= PLENTY_S) return true;
  return kbps === null || kbps >= PICTURE_NEEDS_KBPS + SOUND_TAKES_KBPS;
}

export class CatchUpPlayer {
  /** The picture's element while it has something to show. */
  readonly picture = signal<HTMLVideoElement | null>(null);
  /** The browser keeps the sound off until someone presses. */
  readonly blocked = signal(false);

  private readonly audio = document.createElement("audio");
  private readonly video = document.createElement("video");
  private readonly sound: CatchUpStream;
  private readonly frames: CatchUpStream;
  private pictureNotBeforeMs = 0;
  private playing = false;

  constructor(ports: StreamPorts) {
    this.audio.hidden = true;
    this.audio.preload = "auto";
    document.body.appendChild(this.audio);
    this.video.muted = true;
    this.video.setAttribute("playsinline", "");
    this.sound = new CatchUpStream(this.audio, "sound", ports);
    this.frames = new CatchUpStream(this.video, "picture", ports);
  }

  /** Have the recording at hand from this wall on; null: no more of it. */
  want(fromMs: number | null): void {
    if (fromMs !== null) {
      this.sound.open(fromMs);
      return;
    }
    this.playing = false;
    this.picture.value = null;
    this.frames.close();
    this.sound.close();
  }

  hurry(): void {
    this.sound.hurry();
  }

  /** The network is there, or sound is at hand, though nobody hears it yet. */
  recorded(): Recorded {
    const { sound } = this;
    return { atMs: sound.atMs(), aheadS: sound.aheadS(), answered: sound.answered, trouble: sound.trouble };
  }

  /** Play at `rate`, 0: wait. Call it some times a second: it also keeps the picture with the sound. */
  play(rate: number, room: Room): void {
    if (!this.sound.opened || rate === 0) {
      if (this.playing) this.audio.pause();
      this.playing = false;
      return;
    }
    if (Math.abs(this.audio.playbackRate - rate) > 0.01) this.audio.playbackRate = rate;
    if (this.audio.paused && this.sound.aheadS() > 0.1) {
      this.audio.play().then(
        () => (this.blocked.value = false),
        (error: { name?: string }) => {
          if (error.name === "NotAllowedError") this.blocked.value = true;
        },
      );
    }
    this.playing = true;
    this.show(rate, room);
  }

  setVolume(volume: number): void {
    this.audio.volume = volume;
  }

  setSpeaker(id: string): void {
    (this.audio as HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> }).setSinkId?.(id).catch(() => {
      // The speaker is gone: the system's default plays on.
    });
  }

  /** On a press: a browser that wants one before it plays has had it. */
  unlock(): void {
    this.blocked.value = false;
    if (!this.playing) this.audio.play().catch(() => undefined);
  }

  private show(rate: number, room: Room): void {
    const now = performance.now();
    const fits = pictureFits(this.frames.opened, this.sound.aheadS(), room, now, this.pictureNotBeforeMs);
    const at = this.sound.atMs();
    if (!fits || at === null) {
      if (this.frames.opened && room.wanted) this.pictureNotBeforeMs = now + PICTURE_AGAIN_MS;
      this.frames.close();
      this.picture.value = null;
      return;
    }
    if (!this.frames.opened) this.frames.open(at);
    if (this.frames.trouble !== "" || this.frames.aheadS() < 0.1) return;
    // Both play the replay's time, so their clocks say how far apart they are.
    const off = this.audio.currentTime - this.video.currentTime;
    if (off > JUMP_S && this.frames.aheadS() > off) this.video.currentTime = this.audio.currentTime;
    this.video.playbackRate = Math.min(2, Math.max(0.5, rate + off * 0.5));
    // A picture from later than the sound waits for it.
    if (off < -0.3) this.video.pause();
    else if (this.video.paused) this.video.play().catch(() => undefined);
    this.picture.value = this.video;
  }
}
