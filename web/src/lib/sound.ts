/** Plays the seats' sound: one hidden audio element per seat, one volume, one speaker. Knows when the browser wants a press
 * before it plays. */

import { effect, signal } from "@preact/signals";
import { recall, remember } from "./storage";
import type { Seat } from "./whep";

type Sinkable = HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> };

/** True where the speaker can be chosen. */
export function canChooseSpeaker(): boolean {
  return typeof HTMLMediaElement !== "undefined" && "setSinkId" in HTMLMediaElement.prototype;
}

export class Sound {
  /** The browser keeps the sound off until someone presses. */
  readonly blocked = signal(false);
  /** 0 to 1. */
  readonly volume = signal(Number(recall("volume") ?? "1"));
  readonly speaker = signal(recall("speaker") ?? "");
  /** Not to be heard for now, though it plays: the recording is heard instead. */
  readonly quiet = signal(false);

  private readonly elements = new Map<string, Sinkable>();

  constructor() {
    if (!(this.volume.peek() >= 0 && this.volume.peek() <= 1)) this.volume.value = 1;
    effect(() => {
      const volume = this.volume.value;
      this.elements.forEach((element) => {
        element.volume = volume;
      });
    });
    effect(() => {
      const quiet = this.quiet.value;
      this.elements.forEach((element) => {
        element.muted = quiet;
      });
    });
  }

  /** Play these seats and no others. */
  play(seats: readonly Seat[]): void {
    const wanted = seats.filter((seat) => seat.kind === "audio");
    this.elements.forEach((element, mid) => {
      if (!wanted.some((seat) => seat.mid === mid)) this.remove(mid, element);
    });
    for (const seat of wanted) {
      const element = this.elements.get(seat.mid) ?? this.add(seat.mid);
      if (element.srcObject !== seat.stream) element.srcObject = seat.stream;
    }
    this.unlock();
  }

  /** Try to play; called on every press while the browser keeps the sound off. */
  unlock(): void {
    this.blocked.value = false;
    this.elements.forEach((element) => {
      // The promise of an empty seat stays open until someone sits on it, so only refusals are news. An AbortError only
      // says that a newer stream took the element over.
      element.play().catch((error: { name?: string }) => {
        if (error.name === "NotAllowedError") this.blocked.value = true;
      });
    });
  }

  setVolume(volume: number): void {
    this.volume.value = volume;
    remember("volume", String(volume));
  }

  setSpeaker(id: string): void {
    this.speaker.value = id;
    remember("speaker", id);
    this.elements.forEach((element) => this.route(element));
  }

  private add(mid: string): Sinkable {
    const element: Sinkable = document.createElement("audio");
    element.autoplay = true;
    element.volume = this.volume.peek();
    element.muted = this.quiet.peek();
    element.setAttribute("playsinline", "");
    element.hidden = true;
    document.body.appendChild(element);
    this.route(element);
    this.elements.set(mid, element);
    return element;
  }

  private remove(mid: string, element: Sinkable): void {
    element.srcObject = null;
    element.remove();
    this.elements.delete(mid);
  }

  private route(element: Sinkable): void {
    element.setSinkId?.(this.speaker.peek()).catch(() => {
      // The speaker is gone: the system's default plays on.
    });
  }
}

/** Would sound play without a press? Asks with a stream of silence; false where the browser does not say within half a
 *  second. */
export async function soundAllowed(): Promise<boolean> {
  if (typeof AudioContext === "undefined") return false;
  const context = new AudioContext();
  const element = document.createElement("audio");
  try {
    element.srcObject = context.createMediaStreamDestination().stream;
    const plays = element.play().then(() => context.state === "running");
    const patience = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500));
    return await Promise.race([plays, patience]);
  } catch {
    return false;
  } finally {
    element.srcObject = null;
    void context.close();
  }
}
