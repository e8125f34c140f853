import { expect, test } from "vitest";
import { availableBps } from "./uplink-stats";

const pair = (id: string, more: object): object => ({ type: "candidate-pair", id, state: "succeeded", nominated: true, ...more });

const read = (...entries: object[]): number | null => availableBps(entries as Record<string, unknown>[]);

test("the pair that the transport uses counts, not one that was given up", () => {
  const transport = { type: "transport", id: "t", selectedCandidatePairId: "new" };
  expect(read(pair("new", { availableOutgoingBitrate: 120_000 }), pair("old", { availableOutgoingBitrate: 900_000 }), transport)).toBe(120_000);
});

test("a browser that names no transport is read by the nominated pair", () => {
  expect(read(pair("a", { nominated: false, availableOutgoingBitrate: 1 }), pair("b", { availableOutgoingBitrate: 2 }))).toBe(2);
});

test("what is not told is not known", () => {
  expect(read(pair("a", {}))).toBeNull();
});
