import { expect, test } from "vitest";
import { answers, CHECK_UNTIL_MS, type Checked, type Line, pathOf, rateKbps, SPEAK_MS, steadiness, verdict } from "./line-check";
import { budgetState, Odometer } from "./meter";
import { compacted, receivedCodecs, withoutSound } from "./sdp-receive";

const LINE: Line = { kbps: 2_000, upKbps: 800, rttMs: 80, jitterMs: 5, lossShare: 0, media: "udp", busy: false };
const WELL: Checked = { hears: true, heard: true, line: LINE };
const NONE: Line = { ...LINE, kbps: null, upKbps: null, rttMs: null, media: "" };

test("all is well in three sentences: the line, hearing, being heard", () => {
  expect(answers(WELL)).toEqual([
    { text: "check.line.good", state: "good" },
    { text: "check.hears.yes", state: "good" },
    { text: "check.heard.yes", state: "good" },
  ]);
});

const LINES: [string, Partial<Line>, string][] = [
  ["a weak one", { kbps: 320, rttMs: 300 }, "check.line.fair"],
  ["one for sound only", { kbps: 120, rttMs: 400, lossShare: 0.1 }, "check.line.sound"],
  ["one too thin for live", { kbps: 30, media: "tcp" }, "check.line.late"],
  ["one that loses packets", { lossShare: 0.13 }, "check.line.unsteady"],
  ["one whose packets come when they like", { jitterMs: 160 }, "check.line.unsteady"],
  ["one without UDP", { media: "tcp" }, "check.line.detour"],
  ["none", NONE, "check.line.none"],
  ["one that others measure is not taken for a broken one", { ...NONE, busy: true }, "check.line.busy"],
];
test.each(LINES)("the line is told in words: %s", (_name, change, text) => {
  expect(answers({ ...WELL, line: { ...LINE, ...change } })[0]?.text).toBe(text);
});

const HEARD: [string, Partial<Checked>, string][] = [
  ["nobody tried", { heard: null }, "check.heard.untried"],
  ["no voice", { heard: false }, "check.heard.no"],
  ["a thin way up", { line: { ...LINE, upKbps: 40 } }, "check.heard.thin"],
  ["no line", { line: NONE }, "check.heard.offline"],
  ["a way up that was not measured", { line: { ...NONE, busy: true } }, "check.heard.yes"],
];
test.each(HEARD)("a microphone is not enough to be heard: %s", (_name, change, text) => {
  expect(answers({ ...WELL, ...change })[2]?.text).toBe(text);
});

test("nobody said is not no", () => {
  expect([null, false].map((hears) => answers({ ...WELL, hears })[1]?.state)).toEqual(["weak", "lost"]);
});

test("what stops the lesson matters more than what weakens it", () => {
  expect(verdict(WELL)).toBe("check.line.good");
  expect(verdict({ ...WELL, heard: null })).toBe("check.heard.untried");
  expect(verdict({ hears: false, heard: null, line: { ...LINE, kbps: 90 } })).toBe("check.hears.no");
});

test("round trips tell what is least, what varies, and what waited for a second try", () => {
  expect(steadiness([300, 310, 320, 330, 300, 310, 305, 302])).toEqual({ rttMs: 300, jitterMs: 10, lossShare: 0 });
  expect(steadiness([300, 310, 900, 320, 305, null, 1_400, 302])).toMatchObject({ rttMs: 300, lossShare: 0.25 });
  expect(steadiness([300, 310, 900, 305, 302, 301, 300, 300]).lossShare).toBe(0);
  expect(steadiness([null, null])).toEqual({ rttMs: null, jitterMs: 0, lossShare: 1 });
  expect(steadiness([])).toEqual({ rttMs: null, jitterMs: 0, lossShare: 0 });
});

test("the check ends within twenty seconds, and each step leaves time for the next", () => {
  const { ask, speak, all } = CHECK_UNTIL_MS;
  expect(all).toBeLessThanOrEqual(20_000);
  expect([speak - ask >= SPEAK_MS, all > speak]).toEqual([true, true]);
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
