import { expect, test } from "vitest";
import { type AudioCounters, type Expected, measured, NO_AUDIO, NO_VIDEO, type Sample, Steady, type VideoCounters } from "./receiving";

const ALL: Expected = { sound: true, camera: true, screen: false };

function sample(atMs: number, audio: Partial<AudioCounters> = {}, camera: Partial<VideoCounters> = {}, more: Partial<Sample> = {}): Sample {
  return {
    atMs,
    session: "s",
    audio: { ...NO_AUDIO, ...audio },
    camera: { ...NO_VIDEO, ...camera },
    screen: NO_VIDEO,
    bytes: 0,
    rttMs: null,
    ...more,
  };
}

const START = sample(0);

test("what is not sent is off, not missing", () => {
  const found = measured(START, sample(2000), { sound: false, camera: false, screen: false });
  expect([found.sound, found.picture]).toEqual(["off", "off"]);
});

test("what is sent and does not come is none", () => {
  const found = measured(START, sample(2000), ALL);
  expect([found.sound, found.picture]).toEqual(["none", "none"]);
});

const SOUND: [string, Partial<AudioCounters>, string][] = [
  ["all of it", { packets: 100, samples: 96_000, concealed: 0 }, "good"],
  ["5% made up", { packets: 95, samples: 96_000, concealed: 4_800 }, "good"],
  ["7% made up", { packets: 93, samples: 96_000, concealed: 6_720 }, "weak"],
  ["lost but repaired", { packets: 90, lost: 10, samples: 96_000, concealed: 0 }, "good"],
  ["an old browser, 5% lost", { packets: 95, lost: 5 }, "good"],
  ["an old browser, 10% lost", { packets: 90, lost: 10 }, "weak"],
];
test.each(SOUND)("sound: %s", (_name, audio, word) => {
  expect(measured(START, sample(2000, audio), ALL).sound).toBe(word);
});

const PICTURE: [string, number, string][] = [
  ["25 a second", 50, "good"],
  ["5 a second, a dim room", 10, "good"],
  ["3 a second", 6, "weak"],
  ["none", 0, "none"],
];
test.each(PICTURE)("picture: frames, %s", (_name, frames, word) => {
  expect(measured(START, sample(2000, {}, { frames }), ALL).picture).toBe(word);
});

test("a page of text that stands still is a good picture once it was seen", () => {
  const screen = { ...ALL, screen: true };
  const seen = { screen: { packets: 40, lost: 0, frames: 3 } };
  expect(measured(sample(0, {}, {}, seen), sample(2000, {}, {}, seen), screen).picture).toBe("good");
  expect(measured(START, sample(2000), screen).picture).toBe("none");
});

test("a new session counts from nothing", () => {
  const old = sample(0, { packets: 90_000, samples: 9e7, concealed: 50 }, { frames: 20_000 });
  const found = measured(old, sample(2000, { packets: 80, samples: 96_000, concealed: 0 }, { frames: 40 }, { session: "t" }), ALL);
  expect([found.sound, found.picture, found.kbps]).toEqual(["good", "good", null]);
});

test("delay is the buffer's wait and half the round trip", () => {
  const after = sample(2000, { packets: 100, waitedS: 9600, emitted: 96_000 }, {}, { rttMs: 300 });
  expect(measured(START, after, ALL).delay_ms).toBe(250);
});

test("rate and loss are of the time between the samples", () => {
  const after = sample(2000, { packets: 98, lost: 2 }, { packets: 100, lost: 0 }, { bytes: 100_000 });
  const found = measured(START, after, ALL);
  expect([found.kbps, found.loss_percent]).toEqual([400, 1]);
});

test("no figure leaves the bounds of the protocol, whatever the browser counts", () => {
  let seed = 20260101;
  const random = (): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 2147483648 < 0.2 ? -(seed % 1000) : seed;
  };
  for (let i = 0; i < 2000; i += 1) {
    const make = (): Sample =>
      sample(
        random(),
        { packets: random(), lost: random(), samples: random(), concealed: random(), waitedS: random(), emitted: random() },
        { packets: random(), lost: random(), frames: random() },
        { bytes: random(), rttMs: random() },
      );
    const found = measured(make(), make(), ALL);
    expect(["good", "weak", "none", "off"]).toContain(found.sound);
    if (found.delay_ms !== null) expect(found.delay_ms >= 0 && found.delay_ms <= 600_000).toBe(true);
    if (found.kbps !== null) expect(found.kbps >= 0 && found.kbps <= 1_000_000 && Number.isInteger(found.kbps)).toBe(true);
    if (found.loss_percent !== null) expect(found.loss_percent >= 0 && found.loss_percent <= 100).toBe(true);
  }
});

test("words get worse at once, better when it is said twice, and say at once that something comes again", () => {
  const steady = new Steady();
  const shown = (["good", "weak", "good", "weak", "good", "good", "none", "weak", "weak", "off"] as const).map((one) => steady.next(one));
  expect(shown).toEqual(["good", "weak", "weak", "weak", "weak", "good", "none", "weak", "weak", "off"]);
});
