import { expect, test } from "vitest";
import { type Checked, pathOf, rateKbps, verdict } from "./line-check";
import { budgetState, Odometer } from "./meter";
import { compacted, receivedCodecs, withoutSound } from "./sdp-receive";

const WELL: Checked = { hears: true, heard: true, line: { kbps: 2_000, rttMs: 80, media: "udp" } };

const VERDICTS: [string, Partial<Checked>, string][] = [
  ["all is well", {}, "check.done.good"],
  ["nobody tried the microphone", { heard: null }, "check.done.good"],
  ["no line", { hears: false, line: { kbps: null, rttMs: null, media: "" } }, "check.done.noline"],
  ["no bell", { hears: false, heard: false }, "check.done.nohear"],
  ["no voice", { heard: false }, "check.done.nospeak"],
  ["a weak line", { line: { kbps: 320, rttMs: 300, media: "udp" } }, "check.done.fair"],
  ["a very weak line", { line: { kbps: 90, rttMs: 400, media: "tcp" } }, "check.done.thin"],
  ["no UDP", { line: { kbps: 2_000, rttMs: 80, media: "tcp" } }, "check.done.noudp"],
];
test.each(VERDICTS)("the check says one thing: %s", (_name, change, text) => {
  expect(verdict({ ...WELL, ...change })).toBe(text);
});

test("a rate leaves out the first round trip", () => {
  expect(rateKbps(50_000, 1_300, 300)).toBe(400);
});

test("a relay over UDP is a detour too", () => {
  expect([pathOf("udp", "host"), pathOf("tcp", "host"), pathOf("udp", "relay")]).toEqual(["udp", "tcp", "tcp"]);
});

test("a budget is near at four fifths, and none is never spent", () => {
  expect([budgetState(39, 50), budgetState(40, 50), budgetState(50, 50), budgetState(9_999, 0)]).toEqual(["free", "near", "spent", "free"]);
});

test("counters that start anew with each connection add up", () => {
  const odometer = new Odometer();
  expect([odometer.added("a", 100), odometer.added("a", 250), odometer.added("b", 40), odometer.added("b", 40)]).toEqual([100, 150, 40, 0]);
});

test("a watching page offers each codec once, H264 first", () => {
  const offered = [
    { mimeType: "video/VP8" },
    { mimeType: "video/rtx" },
    { mimeType: "video/VP9", sdpFmtpLine: "profile-id=0" },
    { mimeType: "video/VP9", sdpFmtpLine: "profile-id=2" },
    { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=0;profile-level-id=42e01f" },
    { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=1;profile-level-id=42e01f" },
    { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=1;profile-level-id=f4001f" },
    { mimeType: "video/ulpfec" },
  ];
  expect(receivedCodecs(offered).map((one) => `${one.mimeType} ${one.sdpFmtpLine ?? ""}`.trim())).toEqual([
    "video/H264 packetization-mode=1;profile-level-id=42e01f",
    "video/VP8",
    "video/VP9 profile-id=0",
    "video/rtx",
  ]);
  expect(receivedCodecs(offered, false).map((one) => one.mimeType)).toEqual(["video/H264", "video/VP8", "video/rtx"]);
  expect(receivedCodecs([{ mimeType: "audio/G722" }, { mimeType: "audio/opus" }, { mimeType: "audio/red" }])).toHaveLength(2);
});

test("an offer is posted without what the server ignores, and with all that it answers", () => {
  const kept = ["v=0", "m=audio 9 X 111", "a=ice-ufrag:abcd", "m=video 9 X 96", "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", "a=rtcp-fb:96 nack pli", ""];
  const dropped = ["a=rtcp:9 IN IP4 0.0.0.0", "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay", "a=rtcp-fb:96 goog-remb", "a=ice-ufrag:abcd"];
  expect(compacted(kept.slice(0, 4).concat(dropped, kept.slice(4)).join("\r\n"))).toBe(kept.join("\r\n"));
});

test("an answer without sound differs in nothing but the direction of its sound", () => {
  const answer = "v=0\r\nm=audio 9 X 111\r\na=mid:0\r\na=sendonly\r\nm=video 9 X 96\r\na=mid:1\r\na=sendonly\r\n";
  expect(withoutSound(answer)).toBe("v=0\r\nm=audio 9 X 111\r\na=mid:0\r\na=inactive\r\nm=video 9 X 96\r\na=mid:1\r\na=sendonly\r\n");
});
