import { expect, test } from "vitest";
import type { LinkState, Participant, Receiving } from "../generated/messages";
import { behind, callSentence, figuresOf, roomSentence, summary, summaryParts, tileSentence, uplinkSentence } from "./words";

const GOOD: Receiving = { sound: "good", picture: "good" };

function room(link: LinkState, receiving: Receiving = GOOD, more: Partial<Participant> = {}): Participant {
  const base = { id: "c", role: "classroom", name: "C", online: true, called: false, muted: false, devices: {} } as const;
  return { ...base, receiving, link, ...more };
}

const TILES: [Receiving, string, string][] = [
  [{ sound: "good", picture: "good" }, "good", "tile.good"],
  [{ sound: "good" }, "good", "tile.good.sound"],
  [{ sound: "good", picture: "weak" }, "weak", "tile.picture.weak"],
  [{ sound: "good", picture: "none" }, "weak", "tile.picture.none"],
  [{ sound: "weak", picture: "good" }, "weak", "tile.sound.weak"],
  [{ sound: "none", picture: "good" }, "lost", "tile.sound.none"],
  [{ sound: "none", picture: "none" }, "lost", "tile.nothing"],
  [{ picture: "good" }, "note", "tile.silent"],
  [{}, "note", "tile.silent"],
];
test.each(TILES)("a tile says what arrives: %o", (receiving, tone, text) => {
  expect(tileSentence(room({}, receiving), true)).toEqual({ tone, text });
});

test("a classroom whose page is gone is offline, whatever it received before", () => {
  const gone = room({}, GOOD, { online: false });
  expect(tileSentence(gone, true).text).toBe("tile.offline");
});

test("a call goes from opening to speaking to muted", () => {
  expect(callSentence(room({}, {}))).toBeNull();
  expect(callSentence(room({}, {}, { called: true }))?.text).toBe("tile.called.opening");
  expect(callSentence(room({}, {}, { called: true, devices: { microphone: true } }))?.text).toBe("tile.called");
  expect(callSentence(room({}, {}, { called: true, muted: true }))?.text).toBe("tile.called.muted");
});

const TOLD: [string, LinkState, Receiving, string, string][] = [
  ["the full picture", { rung: "full" }, GOOD, "good", "tile.good"],
  ["a smaller picture", { rung: "reduced" }, GOOD, "good", "tile.rung.reduced"],
  ["a smaller picture that stutters", { rung: "reduced" }, { ...GOOD, picture: "weak" }, "weak", "tile.picture.weak"],
  ["only the screen", { rung: "screen" }, GOOD, "weak", "tile.rung.screen"],
  ["only sound", { rung: "sound" }, { sound: "good", picture: "none" }, "weak", "tile.rung.sound"],
  ["only sound on a link that carries more", { rung: "sound", kbps: 2_000 }, { sound: "good" }, "note", "tile.rung.sound.chosen"],
  ["only sound, as the room saves data", { rung: "sound", kbps: 2_000 }, { sound: "good", saves_data: true }, "note", "tile.rung.sound.saves"],
  ["only sound on a weak link, as the room saves data", { rung: "sound", kbps: 90 }, { sound: "good", saves_data: true }, "note", "tile.rung.sound.saves"],
  ["thin sound, whatever the room saves", { rung: "thin" }, { sound: "good", saves_data: true }, "weak", "tile.rung.thin"],
  ["thin sound", { rung: "thin" }, { sound: "good" }, "weak", "tile.rung.thin"],
  ["sound that breaks up comes before the rung", { rung: "thin" }, { sound: "weak" }, "weak", "tile.sound.weak"],
  ["nothing", { rung: "reconnecting" }, GOOD, "lost", "tile.rung.reconnecting"],
  ["a room that nothing is known of", {}, {}, "note", "tile.silent"],
];
test.each(TOLD)("a tile tells %s", (_name, link, receiving, tone, text) => {
  expect(roomSentence(room(link, receiving))).toEqual({ tone, text });
});

test("a room that plays what it missed is told by how far behind it is, whatever its rung", () => {
  const late = (behind_s: number): unknown => roomSentence(room({ rung: "reconnecting" }, { ...GOOD, behind_s }));
  expect(late(42.4)).toEqual({ tone: "wait", text: "tile.behind.seconds", params: { count: 42 } });
  expect(late(244)).toEqual({ tone: "wait", text: "tile.behind.minutes", params: { count: 4 } });
  expect(behind(room({}, { ...GOOD, behind_s: 1 }))).toBe(false);
});

test("a room whose page is gone is offline and not behind, whatever it said before", () => {
  const gone = room({ rung: "full" }, { ...GOOD, behind_s: 60 }, { online: false });
  expect(roomSentence(gone).text).toBe("tile.offline");
  expect(behind(gone)).toBe(false);
});

test("a server that says nothing of links leaves the sentence to what is received", () => {
  const { link: _link, ...rest } = room({});
  expect(roomSentence(rest as Participant).text).toBe("tile.good");
  expect(figuresOf(rest as Participant).rung).toBe("");
});

test("every room is counted once: it hears, or is cut off, or behind, or hears badly", () => {
  const rooms = [
    room({ rung: "full" }),
    room({ rung: "thin" }),
    room({ rung: "reconnecting" }, { ...GOOD, behind_s: 60 }),
    room({}, GOOD, { online: false }),
    room({ rung: "sound" }, { ...GOOD, behind_s: 300 }),
    room({ rung: "thin" }, { sound: "weak" }),
  ];
  expect(summary(rooms)).toEqual({ all: 6, hear: 2, reconnecting: 2, behind: 1 });
});

test("the summary says how many hear and what holds up the others", () => {
  expect(summaryParts({ all: 32, hear: 31, reconnecting: 1, behind: 0 })).toEqual([
    { text: "strip.summary.mixed", params: { good: 31, count: 32 } },
    { text: "strip.summary.away", params: { count: 1 } },
  ]);
  expect(summaryParts({ all: 3, hear: 3, reconnecting: 0, behind: 0 })[0]?.text).toBe("strip.summary.good");
  expect(summaryParts({ all: 3, hear: 0, reconnecting: 3, behind: 0 })[0]?.text).toBe("strip.away");
});

const LINK = { up: true, rest: "none", sendsPicture: true, availableBps: 2_000_000 } as const;

test("the volunteer's own uplink is told in words", () => {
  expect(uplinkSentence(LINK)).toEqual({ tone: "good", text: "uplink.good" });
  expect(uplinkSentence({ ...LINK, availableBps: 300_000 })?.text).toBe("uplink.small");
  expect(uplinkSentence({ ...LINK, availableBps: 300_000, sendsPicture: false })?.text).toBe("uplink.good");
  expect(uplinkSentence({ ...LINK, rest: "camera" })?.text).toBe("uplink.nocamera");
  expect(uplinkSentence({ ...LINK, rest: "pictures" })?.text).toBe("uplink.voice");
});

test("nothing is said of an uplink that is not up, or of which nothing is known", () => {
  expect(uplinkSentence({ ...LINK, up: false })).toBeNull();
  expect(uplinkSentence({ ...LINK, availableBps: null })).toBeNull();
});
