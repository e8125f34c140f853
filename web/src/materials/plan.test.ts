import { expect, test } from "vitest";
import type { Material } from "../generated/messages";
import { type Deck, type Manifest, parseManifest } from "./manifest";
import { type Line, pieceFor } from "./pace";
import { nextWish, picturesHere, readiness, type Shelf } from "./plan";
import { REPORT_EVERY_MS, Reports } from "./reports";
import { toForget } from "./room";

const sha = (name: string): string => Array.from(name, (one) => one.charCodeAt(0).toString(16)).join("").padEnd(64, "0");

function deck(id: string, pages: number): Deck {
  const named = (n: number, size: string): string => sha(`${id}.${n}.${size}`);
  return {
    kind: "deck",
    pages: Array.from({ length: pages }, (_, n) => ({
      w: 1920,
      h: 1080,
      thumb: named(n + 1, "thumb"),
      s: named(n + 1, "s"),
      m: named(n + 1, "m"),
      l: named(n + 1, "l"),
      bytes: [4_000, 14_000, 70_000, 130_000],
    })),
  };
}

const film: Manifest = { kind: "film", file: sha("film.file"), ext: "mp4", bytes: 9_000_000, width: 426, height: 240 };
const song: Manifest = { kind: "song", file: sha("song.file"), ext: "m4a", bytes: 1_000_000, width: 0, height: 0 };

function material(id: string, kind: Material["kind"], total: number): Material {
  return { id, kind, name: id, state: "ready", done: total, total, manifest: sha(`${id}.json`) };
}

/** A classroom that fetches until nothing is wanted; what happens on the way is told by `meanwhile`. */
class Room {
  materials: Material[] = [];
  readonly server = new Map<string, Manifest>();
  readonly manifests = new Map<string, Manifest>();
  readonly newest = new Map<string, string>();
  readonly here = new Set<string>();
  readonly barred = new Set<string>();
  page = "";
  playing = "";
  wide = false;
  room = true;

  add(one: Material, manifest: Manifest): void {
    this.materials = this.materials.filter((other) => other.id !== one.id).concat(one);
    this.server.set(one.manifest ?? "", manifest);
  }

  get shelf(): Shelf {
    const { materials, manifests, newest, page, playing, wide, room } = this;
    return { materials, manifests, newest, page, playing, wide, room, has: (one) => this.here.has(one), barred: (one) => this.barred.has(one) };
  }

  /** Fetch the next file; its name and urgency. */
  fetch(): string | null {
    const wish = nextWish(this.shelf);
    if (wish === null) return null;
    this.here.add(wish.sha);
    const manifest = this.server.get(wish.sha);
    if (manifest !== undefined) {
      this.manifests.set(wish.sha, manifest);
      this.newest.set(wish.material, wish.sha);
    }
    const name = (wish.sha.replace(/(00)+$/, "").match(/../g) ?? []).map((hex) => String.fromCharCode(parseInt(hex, 16))).join("");
    return `${name} ${wish.urgency}`;
  }

  all(): string[] {
    const out: string[] = [];
    for (let one = this.fetch(); one !== null && out.length < 1_000; one = this.fetch()) out.push(one);
    return out;
  }
}

function school(): Room {
  const room = new Room();
  room.add(material("film", "film", 100), film);
  room.add(material("song", "song", 100), song);
  room.add(material("deck", "deck", 5), deck("deck", 5));
  return room;
}

test("before the lesson every page comes in order, then songs, then films", () => {
  expect(school().all()).toEqual([
    "deck.json spare",
    ...[1, 2, 3, 4, 5].map((n) => `deck.${n}.m spare`),
    "song.json spare",
    "song.file spare",
    "film.json spare",
    "film.file spare",
  ]);
});

test("the largest pictures come after all others, and only where the screen can show them", () => {
  const room = school();
  room.wide = true;
  const all = room.all();
  expect(all.indexOf("deck.1.l spare")).toBe(all.indexOf("deck.5.m spare") + 1);
  expect(all.filter((one) => one.includes(".l "))).toHaveLength(5);
});

test("the page that is shown comes first, smallest width first, then its neighbours, and on", () => {
  const room = school();
  room.page = "deck.3";
  expect(room.all().slice(0, 8)).toEqual(["deck.json now", "deck.3.s now", "deck.3.m soon", "deck.4.m spare", "deck.2.m spare", "deck.5.m spare", "deck.1.m spare", "song.json spare"]);
});

test("a turn to a page that is not here overtakes everything", () => {
  const room = school();
  room.page = "deck.1";
  for (let n = 0; n < 4; n++) room.fetch();
  room.page = "deck.5";
  expect([room.fetch(), room.fetch()]).toEqual(["deck.5.s now", "deck.5.m soon"]);
});

test("a page that a new manifest adds while the deck is being made is found when it is shown", () => {
  const room = new Room();
  room.add({ ...material("deck", "deck", 40), state: "working", manifest: sha("first") }, deck("deck", 2));
  room.all();
  room.add({ ...material("deck", "deck", 40), state: "working", manifest: sha("second") }, deck("deck", 9));
  room.page = "deck.7";
  expect([room.fetch(), room.fetch()]).toEqual(["second now", "deck.7.s now"]);
});

test("of a deck that is being made, what is known of comes before the next manifest", () => {
  const room = new Room();
  room.add({ ...material("deck", "deck", 4), state: "working", manifest: sha("first") }, deck("deck", 2));
  room.fetch();
  room.add({ ...material("deck", "deck", 4), state: "working", manifest: sha("second") }, deck("deck", 4));
  expect(room.all()).toEqual(["deck.1.m spare", "deck.2.m spare", "second spare", "deck.3.m spare", "deck.4.m spare"]);
});

test("a song that is about to play overtakes the deck, but not the page that is looked at", () => {
  const room = school();
  room.playing = "song";
  room.page = "deck.2";
  expect(room.all().slice(0, 5)).toEqual(["deck.json now", "deck.2.s now", "deck.2.m soon", "song.json soon", "song.file soon"]);
});

test("what the server refuses just now holds nothing else up", () => {
  const room = school();
  room.page = "deck.1";
  room.fetch();
  room.barred.add(sha("deck.1.s"));
  expect(room.fetch()).toBe("deck.1.m now");
  room.barred.add(sha("deck.3.m"));
  expect(room.all().filter((one) => one.startsWith("deck.")).map((one) => one.slice(5, 8))).toEqual(["2.m", "4.m", "5.m"]);
});

test("a browser that is full fetches what is looked at, and nothing else", () => {
  const room = school();
  room.room = false;
  expect(room.all()).toEqual([]);
  room.page = "deck.2";
  expect(room.all()).toEqual(["deck.json now", "deck.2.s now", "deck.2.m soon"]);
});

test("a deck is ready page by page, as the projector can show them", () => {
  const room = school();
  const [, , one] = room.materials;
  if (one === undefined) throw new Error("no deck");
  expect(readiness(room.shelf, one)).toEqual({ have: 0, total: 5 });
  room.page = "deck.1";
  for (let n = 0; n < 3; n++) room.fetch();
  expect(readiness(room.shelf, one)).toEqual({ have: 1, total: 5 });
  room.all();
  expect(room.materials.map((each) => readiness(room.shelf, each))).toEqual([
    { have: 1, total: 1 },
    { have: 1, total: 1 },
    { have: 5, total: 5 },
  ]);
});

test("the best picture that is here is shown", () => {
  const room = school();
  const [page] = deck("deck", 1).pages;
  if (page === undefined) throw new Error("no page");
  expect(picturesHere(room.shelf, page, true)).toEqual([]);
  room.here.add(page.s).add(page.m);
  expect(picturesHere(room.shelf, page, true)).toEqual([page.m, page.s]);
  room.here.add(page.l);
  expect(picturesHere(room.shelf, page, false)).toEqual([page.m, page.l, page.s]);
});

const line = (more: Partial<Line>): Line => ({ live: true, rung: "full", kbps: 400, usedKbps: 250, idle: false, saving: false, ...more });

/** What a rule lets onto the link in a minute of virtual time, kbit/s. */
function rate(of: Line, urgency: "soon" | "spare"): number {
  let bytes = 0;
  for (let now = 0; now < 60_000; ) {
    const piece = pieceFor(of, urgency);
    if (piece === null) return 0;
    bytes += piece.bytes;
    now += piece.everyMs;
  }
  return (bytes * 8) / 60_000;
}

test("in spare bandwidth a deck takes a third of what is free, and never the link's whole quarter second", () => {
  for (const kbps of [200, 400, 1_000, 5_000]) {
    const of = line({ kbps, usedKbps: kbps / 2 });
    expect(rate(of, "spare")).toBeLessThan(kbps / 6 + 15);
    expect(rate(of, "spare")).toBeGreaterThan(kbps / 9);
    expect(pieceFor(of, "spare")?.bytes).toBeLessThanOrEqual(Math.max(8_000, (kbps * 1000) / 8 / 4));
  }
});

test("a link that the lesson fills still brings the deck, slowly", () => {
  expect(rate(line({ usedKbps: 400 }), "spare")).toBeGreaterThan(12);
  expect(rate(line({ usedKbps: 400 }), "spare")).toBeLessThan(20);
});

test.each(["sound", "thin", "reconnecting"])("on the rung %s nothing comes but the page that is looked at", (rung) => {
  expect(pieceFor(line({ rung }), "spare")).toBeNull();
  expect(pieceFor(line({ rung }), "now")).toEqual({ bytes: Infinity, everyMs: 0 });
  expect(rate(line({ rung, kbps: 60 }), "soon")).toBeLessThan(30);
  expect(rate(line({ rung, kbps: 60 }), "soon")).toBeGreaterThan(10);
});

test("while nobody is heard or seen the deck may have the link, in pieces small enough for whoever speaks next", () => {
  expect(pieceFor(line({ idle: true, rung: "", kbps: null }), "spare")).toEqual({ bytes: 8_000, everyMs: 0 });
  expect(pieceFor(line({ idle: true, rung: "", kbps: 400 }), "spare")).toEqual({ bytes: 12_500, everyMs: 0 });
});

test("before the lesson the link is the deck's; a room that saves data fetches what it looks at", () => {
  expect(pieceFor(line({ live: false, kbps: null }), "spare")?.everyMs).toBe(0);
  expect(pieceFor(line({ saving: true }), "spare")).toBeNull();
  expect(pieceFor(line({ saving: true }), "soon")).not.toBeNull();
});

test("the volunteer is told on change, not more often than each two seconds, and all again after a greeting", () => {
  const reports = new Reports();
  const told: number[] = [];
  for (let now = 0; now <= 10_000; now += 100) {
    const have = Math.min(32, Math.floor(now / 150));
    for (const one of reports.due([{ material: "deck", have, total: 32 }], now)) {
      reports.sent(one, now);
      told.push(one.have);
    }
  }
  expect(told).toEqual([0, 13, 26, 32]);
  expect(reports.due([{ material: "deck", have: 32, total: 32 }], 10_100)).toEqual([]);
  reports.afresh();
  expect(reports.due([{ material: "deck", have: 32, total: 32 }], 10_200)).toHaveLength(1);
  expect(REPORT_EVERY_MS).toBe(2_000);
});

test("the lesson that was open longest ago is thrown away first, this one never", () => {
  const kept = [
    { lesson: "now", bytes: 50, usedMs: 1 },
    { lesson: "old", bytes: 30, usedMs: 2 },
    { lesson: "new", bytes: 20, usedMs: 9 },
  ];
  expect(toForget(kept, "now", 0, 100)).toEqual([]);
  expect(toForget(kept, "now", 10, 100)).toEqual(["old"]);
  expect(toForget(kept, "now", 40, 100)).toEqual(["old", "new"]);
  expect(toForget(kept, "now", 51, 100)).toBeNull();
});

test("a manifest that is none is none", () => {
  const good = { kind: "deck", pages: deck("deck", 2).pages };
  expect(parseManifest(JSON.stringify(good))).toEqual(good);
  expect(parseManifest(JSON.stringify({ ...song, duration_ms: 5 }))).toEqual(song);
  for (const bad of ["", "null", "3", "{}", '{"kind":"deck"}', '{"kind":"deck","pages":[{}]}', JSON.stringify({ ...song, file: "../x" }), JSON.stringify({ ...film, ext: "exe" })]) {
    expect(parseManifest(bad)).toBeNull();
  }
});
