import { expect, test } from "vitest";
import { MATERIALS_CACHE as PAGES_CACHE, materialPath, nameIn } from "../materials/names";
import { isMaterial, MATERIALS_CACHE, rangeOf } from "./kept";
import { answerTo, outdated, type Shell, shellKey } from "./shells";

const ORIGIN = "https://class.example.org";
const SHELLS: Shell[] = [
  { prefix: "/class/", entries: ["/assets/class-1.js"], assets: ["/assets/class-1.js", "/assets/icon-1.svg"] },
  { prefix: "/teach/", entries: ["/assets/teach-1.js"], assets: ["/assets/teach-1.js"] },
];

const answered = (path: string, { method = "GET", navigation = false } = {}): string => {
  const url = path.indexOf("http") === 0 ? path : ORIGIN + path;
  return answerTo(method, url, ORIGIN, navigation, SHELLS).kind;
};

test.each(["/api/lessons", "/ws/abc", "/whip/abc", "/whep/abc", "/media/abc/1/main.m3u8", "/healthz", "/sw.js", "/"])(
  "%s is never touched, opened or fetched",
  (path) => {
    expect(answered(path)).toBe("network");
    expect(answered(path, { navigation: true })).toBe("network");
  },
);

test("every lesson's page is the same shell, whose key holds neither lesson nor token", () => {
  const answer = answerTo("GET", `${ORIGIN}/class/k3v9qz?x=1#secret`, ORIGIN, true, SHELLS);
  expect(answer.kind).toBe("shell");
  if (answer.kind === "shell") expect(shellKey(answer.shell)).toBe("/class/shell");
});

test("a page below a lesson, or none, is no shell", () => {
  for (const path of ["/class/", "/class/abc/more", "/replay/abc"]) expect(answered(path, { navigation: true })).toBe("network");
});

test("a script that asks for a page's address by itself gets the network's answer", () => {
  expect(answered("/class/abc")).toBe("network");
});

test("assets of this build and of the one before are looked for in the cache", () => {
  expect(answered("/assets/class-1.js")).toBe("asset");
  expect(answered("/assets/class-0.js")).toBe("asset");
});

test("other hosts and other methods are never touched", () => {
  expect(answered("https://elsewhere.example/assets/class-1.js")).toBe("network");
  expect(answered("/assets/class-1.js", { method: "POST" })).toBe("network");
  expect(answered("/class/abc", { method: "POST", navigation: true })).toBe("network");
});

test("only this build and the one before it are kept, and what is not ours is left alone", () => {
  expect(outdated(["liveclass-1", "other", "liveclass-2", "liveclass-3"], "liveclass-3")).toEqual(["liveclass-1"]);
  expect(outdated(["liveclass-3"], "liveclass-3")).toEqual([]);
  expect(outdated(["liveclass-2", "liveclass-3"], "liveclass-3")).toEqual([]);
});

test("what is kept of slides, songs and films is looked for in the cache, and never counts as an old build", () => {
  const path = `/material/k3v9qz/${"0a".repeat(32)}.webp`;
  expect(answered(path)).toBe("material");
  for (const other of [`${path}/x`, `/material/k3v9qz/${"0a".repeat(31)}.webp`, "/material/k3v9qz/manifest.json"]) expect(answered(other)).toBe("network");
  expect(outdated(["liveclass-1", "liveclass-materials", "liveclass-2", "liveclass-3"], "liveclass-3")).toEqual(["liveclass-1"]);
});

test.each([
  ["bytes=0-9", [0, 9]],
  ["bytes=90-", [90, 99]],
  ["bytes=90-400", [90, 99]],
  ["bytes=-10", [90, 99]],
  ["bytes=100-", null],
  ["bytes=5-2", null],
  ["bytes=-", null],
  ["lines=1-2", null],
  [null, null],
])("of 100 bytes, %s asks for %j", (header, range) => {
  expect(rangeOf(header, 100)).toEqual(range);
});

test("pages and worker mean the same files and the same cache", () => {
  const path = materialPath("k3v9qz", "0a".repeat(32), "mp4");
  expect(MATERIALS_CACHE).toBe(PAGES_CACHE);
  for (const one of [path, `${path}5`, `${path}56`, `/x${path}`, path.slice(1), path.toUpperCase(), "/material/a/b.webp"]) {
    expect([one, isMaterial(one)]).toEqual([one, nameIn(one) !== null]);
  }
});
