import { expect, test } from "vitest";
import { preferredCodecs, restartedAnswer, restartFragment, sessionId } from "./sdp";

const OFFER = [
  "v=0",
  "a=group:BUNDLE 0 1",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "c=IN IP4 0.0.0.0",
  "a=ice-ufrag:EsAw",
  "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1",
  "a=fingerprint:sha-256 AA:BB",
  "a=mid:0",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=ice-ufrag:EsAw",
  "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1",
  "a=mid:1",
  "",
].join("\r\n");

test("a restart sends the group, the first section's line, its mid and its credentials, and nothing else", () => {
  expect(restartFragment(OFFER).split("\r\n")).toEqual([
    "a=group:BUNDLE 0 1",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "a=ice-ufrag:EsAw",
    "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1",
    "a=mid:0",
    "",
  ]);
});

const ANSWER = [
  "v=0",
  "a=ice-lite",
  "m=audio 7000 UDP/TLS/RTP/SAVPF 111",
  "a=ice-ufrag:old1",
  "a=ice-pwd:oldoldoldoldoldoldoldold",
  "a=candidate:1 1 udp 1 192.0.2.1 7000 typ host",
  "m=video 7000 UDP/TLS/RTP/SAVPF 96",
  "a=ice-ufrag:old1",
  "a=ice-pwd:oldoldoldoldoldoldoldold",
  "a=candidate:1 1 udp 1 192.0.2.1 7000 typ host",
  "",
].join("\r\n");

test("a restarted answer has the new credentials in every section and keeps the rest", () => {
  const answer = restartedAnswer(ANSWER, "a=ice-ufrag:new1\r\na=ice-pwd:newnewnewnewnewnewnewnew\r\n") ?? "";
  expect(answer).toBe(ANSWER.replace(/old1/g, "new1").replace(/a=ice-pwd:\w+/g, "a=ice-pwd:newnewnewnewnewnewnewnew"));
});

test("candidates of the fragment take the place of the old ones", () => {
  const fragment = "a=ice-ufrag:n\na=ice-pwd:p\na=candidate:2 1 udp 1 198.51.100.7 7000 typ host\n";
  const answer = restartedAnswer(ANSWER, fragment) ?? "";
  expect(answer.match(/198\.51\.100\.7/g)).toHaveLength(2);
  expect(answer).not.toContain("192.0.2.1");
});

test("a fragment without credentials is no restart", () => {
  expect(restartedAnswer(ANSWER, "")).toBeNull();
  expect(restartedAnswer(ANSWER, "a=ice-ufrag:only")).toBeNull();
});

test("constrained baseline H264 comes first, repair formats last", () => {
  const codecs = [
    { mimeType: "video/VP8" },
    { mimeType: "video/rtx" },
    { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=1;profile-level-id=42001f" },
    { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=0;profile-level-id=42e01f" },
    { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=1;profile-level-id=42e01f" },
    { mimeType: "video/AV1" },
    { mimeType: "video/VP9" },
    { mimeType: "video/red" },
  ];
  expect(preferredCodecs(codecs).map((codec) => codecs.indexOf(codec))).toEqual([4, 3, 2, 0, 6, 5, 1, 7]);
});

test("the session's id is the last segment of its location", () => {
  expect(sessionId("/whep/abc/S-1_x")).toBe("S-1_x");
  expect(sessionId("https://a.example/whip/abc/xyz/?x=1")).toBe("xyz");
  expect(sessionId("")).toBe("");
});
