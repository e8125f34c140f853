import { expect, test } from "vitest";
import { VOICE, VOICE_BPS, VOICE_PATIENCE_MS, type VoiceState, voiceStep } from "./uplink-voice";

/** A look each second from `fromS` on. */
function after(state: VoiceState, fromS: number, seconds: number, bps: number): VoiceState {
  let now = state;
  for (let i = 1; i <= seconds; i += 1) now = voiceStep(now, (fromS + i) * 1_000, bps);
  return now;
}

test("a dip of two seconds lowers no voice", () => {
  const dip = after(VOICE, 0, 2, VOICE_BPS - 1);
  expect(dip.low).toBe(false);
  expect(after(after(dip, 2, 1, VOICE_BPS), 3, 2, VOICE_BPS - 1).low).toBe(false);
});

test("a link that does not hold the voice gets a smaller one", () => {
  expect(after(VOICE, 0, 3, 45_000).low).toBe(true);
});

test("a link that holds the voice keeps it", () => {
  expect(after(VOICE, 0, 60, VOICE_BPS).low).toBe(false);
});

test("the full voice comes back after fifteen seconds of room with its repeats, at once on a wide link", () => {
  const low = after(VOICE, 0, 3, 45_000);
  expect(after(low, 3, 60, VOICE_BPS * 1.05).low).toBe(true);
  expect(after(low, 3, VOICE_PATIENCE_MS / 1_000, VOICE_BPS * 1.2).low).toBe(true);
  expect(after(low, 3, VOICE_PATIENCE_MS / 1_000 + 1, VOICE_BPS * 1.2).low).toBe(false);
  expect(after(low, 3, 5, VOICE_BPS * 3).low).toBe(false);
});

test("every return that fails makes the next one wait longer, up to two minutes", () => {
  let state = after(VOICE, 0, 3, 45_000);
  let at = 3;
  const waits: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const begin = at;
    while (state.low) state = after(state, at++, 1, VOICE_BPS * 1.2);
    waits.push(at - begin - 1);
    state = after(state, at, 3, 45_000);
    at += 3;
  }
  expect(waits).toEqual([15, 30, 60, 120, 120]);
});

test("a voice that stayed full for a minute is trusted again", () => {
  const back = after(after(VOICE, 0, 3, 45_000), 3, 16, VOICE_BPS * 1.2);
  const kept = after(back, 19, 61, VOICE_BPS);
  expect(after(kept, 80, 3, 45_000).patienceMs).toBe(VOICE_PATIENCE_MS);
});
