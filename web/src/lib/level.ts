/** How loud a track is, twenty times a second, for a meter that moves with the voice. */

import { signal, type Signal } from "@preact/signals";

const EVERY_MS = 50;
/** The meter falls slower than it rises, as ears and old needles do. */
const FALL = 0.82;

/** A level that a speaking voice reaches and a quiet room does not. */
export const VOICE = 0.35;

/** Loudness of samples (bytes around 128) from 0 to 1: -60 dB reads 0, full scale 1. */
export function loudness(samples: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i += 1) {
    const value = ((samples[i] ?? 128) - 128) / 128;
    sum += value * value;
  }
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  return Math.min(1, Math.max(0, 1 + Math.log10(Math.max(rms, 1e-6)) / 3));
}

export class LevelMeter {
  /** 0 to 1. */
  readonly level: Signal<number> = signal(0);
  /** When a voice was last heard, on the clock of `performance.now()`. */
  readonly heardAtMs = signal(performance.now());
  /** False while the browser lets no sound be analysed before the first press. */
  readonly running = signal(false);

  private context: AudioContext | null = null;
  private source: MediaStreamAudioSourceNode | null = null;
  private timer = 0;

  /** Follow `track` from now on; null: fall to nothing. */
  follow(track: MediaStreamTrack | null): void {
    this.source?.disconnect();
    this.source = null;
    clearInterval(this.timer);
    this.level.value = 0;
    this.heardAtMs.value = performance.now();
    if (track === null) return;
    const context = this.ready();
    if (context === null) return;
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    this.source = context.createMediaStreamSource(new MediaStream([track]));
    this.source.connect(analyser);
    const samples = new Uint8Array(analyser.fftSize);
    this.timer = setInterval(() => {
      this.running.value = context.state === "running";
      analyser.getByteTimeDomainData(samples);
      const now = loudness(samples);
      this.level.value = Math.max(now, this.level.peek() * FALL);
      if (now > VOICE) this.heardAtMs.value = performance.now();
    }, EVERY_MS);
  }

  /** Call on any press: browsers start sound only then. */
  wake(): void {
    if (this.context?.state === "suspended") void this.context.resume();
  }

  private ready(): AudioContext | null {
    if (this.context === null) {
      const legacy = (window as { webkitAudioContext?: typeof AudioContext }).webkitAudioContext;
      const Context = typeof AudioContext === "undefined" ? legacy : AudioContext;
      if (Context === undefined) return null;
      this.context = new Context();
      const wake = (): void => this.wake();
      addEventListener("pointerdown", wake);
      addEventListener("keydown", wake);
    }
    return this.context;
  }
}
