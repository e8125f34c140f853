import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Capture, type CaptureSettings } from "./capture";
import { MODES } from "./modes";

/** A device that gives a track for each question, when the test says so. */
class Track {
  stopped = false;
  onended: (() => void) | null = null;
  readonly applied: unknown[] = [];
  refuses = false;

  constructor(readonly asked: MediaStreamConstraints) {}

  stop(): void {
    this.stopped = true;
  }

  async applyConstraints(constraints: unknown): Promise<void> {
    this.applied.push(constraints);
    if (this.refuses) throw new Error("not this camera");
  }
}

let given: Track[] = [];
let wait: Promise<void> = Promise.resolve();
const { speech, music, detail } = MODES;
const plain: CaptureSettings = speech.capture;

beforeEach(() => {
  given = [];
  wait = Promise.resolve();
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
  vi.stubGlobal("navigator", {
    mediaDevices: {
      getUserMedia: async (asked: MediaStreamConstraints) => {
        await wait;
        const track = new Track(asked);
        given.push(track);
        return { getTracks: () => [track] };
      },
    },
  });
});
afterEach(() => vi.unstubAllGlobals());

const processed = (track: Track | undefined): unknown => (track?.asked.audio as MediaTrackConstraints | undefined)?.echoCancellation;

test("a microphone is opened anew for music, the old one let go only then", async () => {
  const microphone = new Capture("microphone", plain.picture);
  await microphone.open();
  await microphone.adjust(music.capture);
  expect(given.map(processed)).toEqual([true, false]);
  expect(given.map((one) => one.stopped)).toEqual([true, false]);
  await microphone.adjust(detail.capture);
  await microphone.adjust(plain);
  expect(given.map(processed)).toEqual([true, false, true]);
});

test("a camera changes as it runs, and is opened anew where it cannot", async () => {
  const camera = new Capture("camera", plain.picture);
  await camera.open();
  await camera.adjust(detail.capture);
  expect([given.length, given[0]?.applied.length]).toEqual([1, 1]);
  if (given[0] !== undefined) given[0].refuses = true;
  await camera.adjust(plain);
  expect(given.map((one) => one.stopped)).toEqual([true, false]);
});

test("a mode that comes while the browser asks holds for the track that it gives", async () => {
  let answer = (): void => undefined;
  wait = new Promise((resolve) => (answer = resolve));
  const microphone = new Capture("microphone", plain.picture);
  const opened = microphone.open();
  await microphone.adjust(music.capture);
  answer();
  await opened;
  expect(processed(microphone.track.value as unknown as Track)).toBe(false);
});

test("a track that was asked for with another before the mode came is asked for anew", async () => {
  const microphone = new Capture("microphone", plain.picture);
  await microphone.adjust(music.capture);
  microphone.adopt(new Track({ audio: { echoCancellation: true } }) as unknown as MediaStreamTrack, plain);
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(processed(microphone.track.value as unknown as Track)).toBe(false);
});
