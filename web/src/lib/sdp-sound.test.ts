import { expect, test } from "vitest";
import { hearsStereo, sendsStereo } from "./sdp-sound";

const section = (mid: number, fmtp: string): string[] => [
  "m=audio 9 UDP/TLS/RTP/SAVPF 111 63",
  `a=mid:${mid}`,
  "a=rtpmap:111 opus/48000/2",
  "a=rtcp-fb:111 transport-cc",
  ...(fmtp === "" ? [] : [`a=fmtp:111 ${fmtp}`]),
  "a=rtpmap:63 red/48000/2",
  "a=fmtp:63 111/111",
];
const PICTURE = ["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:2", "a=rtpmap:96 VP8/90000"];
const sdp = (...lines: string[][]): string => `v=0\r\n${([] as string[]).concat(...lines).join("\r\n")}\r\n`;
const fmtps = (text: string): string[] => text.split("\r\n").filter((line) => line.startsWith("a=fmtp:111"));

const TWO = sdp(section(0, "minptime=10;useinbandfec=1"), PICTURE, section(3, "minptime=10;useinbandfec=1"));

test("a watching page takes both channels on every seat", () => {
  expect(fmtps(hearsStereo(TWO))).toEqual(["a=fmtp:111 minptime=10;useinbandfec=1;stereo=1", "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1"]);
});

test("what says so already, or has no Opus, stays as it is", () => {
  const firefox = sdp(section(0, "maxplaybackrate=48000;stereo=1;useinbandfec=1"), PICTURE);
  expect(hearsStereo(firefox)).toBe(firefox);
  expect(hearsStereo(sdp(PICTURE))).toBe(sdp(PICTURE));
});

test("music has two channels in the first sound alone: the thin voice keeps one", () => {
  expect(fmtps(sendsStereo(TWO, 128_000))).toEqual([
    "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1;maxaveragebitrate=128000",
    "a=fmtp:111 minptime=10;useinbandfec=1",
  ]);
});

test("back to speech takes off all that music put on, and only that", () => {
  expect(sendsStereo(sendsStereo(TWO, 128_000), null)).toBe(TWO);
  expect(sendsStereo(sendsStereo(TWO, 96_000), 96_000)).toBe(sendsStereo(TWO, 96_000));
  expect(sendsStereo(TWO, null)).toBe(TWO);
});

test("a line without parameters gets one right behind its format", () => {
  const made = sendsStereo(sdp(section(0, "")), 64_000).split("\r\n");
  expect(made[made.indexOf("a=rtpmap:111 opus/48000/2") + 1]).toBe("a=fmtp:111 stereo=1;sprop-stereo=1;maxaveragebitrate=64000");
});
