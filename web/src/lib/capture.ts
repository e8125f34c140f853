/** One microphone or camera that is kept going: asked for once, changed on request, looked for again when it is unplugged
 * or plugged in. Knows nothing of where its track goes. */

import { signal } from "@preact/signals";
import { capture, type Need, type Picture, pictureConstraints, type SoundWish, SPEECH_SOUND, type Trouble, troubleOf } from "./devices";
import { recall, remember } from "./storage";

/** `unplugged`: it worked, and is gone. */
export type CaptureTrouble = Trouble | "unplugged";

/** What is asked of a device beside which one it is. */
export interface CaptureSettings {
  readonly picture: Picture;
  readonly sound: SoundWish;
}

/** What is remembered instead of a device when the person wants none. */
export const NONE = "none";

export class Capture {
  /** The track, while there is one; ended tracks never stand here. */
  readonly track = signal<MediaStreamTrack | null>(null);
  readonly trouble = signal<CaptureTrouble | null>(null);
  /** The chosen device: its id, empty for the system's default, `NONE` for none. */
  readonly chosen = signal("");

  private wanted = false;
  private turn = 0;
  private settings: CaptureSettings;
  /** What the present track was asked with. */
  private taken: CaptureSettings;

  constructor(
    readonly need: Need,
    picture: Picture,
  ) {
    this.settings = this.taken = { picture, sound: SPEECH_SOUND };
    this.chosen.value = recall(`device.${need}`) ?? "";
  }

  /** Have a track from now on. Never throws: `trouble` says why there is none. */
  async open(): Promise<void> {
    this.wanted = true;
    if (this.chosen.peek() === NONE || this.track.peek() !== null) return;
    await this.take();
  }

  /** Use a track that was asked for together with another, with these settings where they are not the present ones. */
  adopt(track: MediaStreamTrack, settings: CaptureSettings = this.settings): void {
    this.wanted = true;
    this.turn += 1;
    this.taken = settings;
    this.put(track);
    void this.adjust(this.settings);
  }

  /** Say that asking failed, where both were asked for at once. */
  failed(trouble: Trouble): void {
    this.wanted = true;
    this.trouble.value = trouble;
  }

  /** Let go of the device; its light goes out. */
  close(): void {
    this.wanted = false;
    this.turn += 1;
    this.put(null);
    this.trouble.value = null;
  }

  /** Another device from now on, remembered for the next visit. */
  async choose(id: string): Promise<void> {
    this.chosen.value = id;
    remember(`device.${this.need}`, id);
    if (id === NONE) {
      this.turn += 1;
      this.put(null);
      this.trouble.value = null;
    } else if (this.wanted) {
      await this.take();
    }
  }

  /** Ask the device for something else from now on. A camera changes as it runs where it can; a microphone is opened anew
   *  beside the old one, as few browsers change its processing under way. */
  async adjust(settings: CaptureSettings): Promise<void> {
    const before = this.taken;
    this.settings = settings;
    const track = this.track.peek();
    if (track === null) return;
    if (this.need === "microphone") {
      if (!alike(before.sound, settings.sound)) await this.take();
      return;
    }
    if (alike(before.picture, settings.picture)) return;
    this.taken = settings;
    try {
      await track.applyConstraints(pictureConstraints(settings.picture));
    } catch {
      if (this.track.peek() === track) await this.take();
    }
  }

  /** Something was plugged in or out. */
  async devicesChanged(): Promise<void> {
    const trouble = this.trouble.peek();
    const mayHelp = trouble === "unplugged" || trouble === "notfound";
    if (this.wanted && this.track.peek() === null && mayHelp && this.chosen.peek() !== NONE) await this.take();
  }

  private async take(): Promise<void> {
    const turn = ++this.turn;
    const settings = this.settings;
    try {
      const track = await capture(this.need, this.chosen.peek(), settings.picture, settings.sound);
      if (turn !== this.turn) {
        track.stop();
        return;
      }
      this.taken = settings;
      this.put(track);
      // The kind of lesson may have changed while the browser asked.
      await this.adjust(this.settings);
    } catch (error) {
      if (turn !== this.turn) return;
      const trouble = troubleOf(error);
      // A device that was there and is not found now was unplugged: the page says so, and waits for it.
      this.trouble.value = this.trouble.peek() === "unplugged" && trouble === "notfound" ? "unplugged" : trouble;
    }
  }

  private put(track: MediaStreamTrack | null): void {
    const old = this.track.peek();
    if (old !== null && old !== track) {
      old.onended = null;
      old.stop();
    }
    this.track.value = track;
    if (track === null) return;
    this.trouble.value = null;
    track.onended = () => {
      if (this.track.peek() !== track) return;
      this.track.value = null;
      this.trouble.value = "unplugged";
      if (this.wanted) void this.take();
    };
  }
}

function alike(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The browser's word on a permission, or null where it does not tell. */
export async function permission(need: Need): Promise<PermissionState | null> {
  try {
    return (await navigator.permissions.query({ name: need as PermissionName })).state;
  } catch {
    return null;
  }
}
