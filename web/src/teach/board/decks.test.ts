/** Laws of what is known of the materials. */

import { expect, test, vi } from "vitest";
import type { Material } from "../../generated/messages";
import { Decks, sizesOf, type DeckPage, type Manifest } from "./decks";

const page = (n: number): DeckPage => ({ w: 1920, h: 1080, thumb: `t${n}`, s: `s${n}`, m: `m${n}`, l: `l${n}` });
const deck = (count: number): Manifest => ({ kind: "deck", pages: Array.from({ length: count }, (_, n) => page(n)) });
const material = (id: string, manifest: string): Material => ({ id, kind: "deck", name: id, manifest });
const settle = async (): Promise<void> => {
  for (let n = 0; n < 10; n++) await Promise.resolve();
};

test("a deck that grows is fetched once at a time, and in the end as it is last", async () => {
  const asked: string[] = [];
  let answer: (manifest: Manifest) => void = () => undefined;
  const decks = new Decks("abc", (url) => {
    asked.push(url);
    return new Promise((resolve) => (answer = resolve));
  });
  decks.follow([material("deck01", "aa")]);
  decks.follow([material("deck01", "bb")]);
  decks.follow([material("deck01", "cc")]);
  expect(asked).toEqual(["/material/abc/aa.json"]);
  answer(deck(1));
  await settle();
  expect(decks.pages("deck01")).toHaveLength(1);
  answer(deck(3));
  await settle();
  expect(asked).toEqual(["/material/abc/aa.json", "/material/abc/cc.json"]);
  expect(decks.pages("deck01")).toHaveLength(3);
});

test("a lost network is tried again, and what is removed is forgotten", async () => {
  vi.useFakeTimers();
  let fails = 1;
  const decks = new Decks("abc", () => (fails-- > 0 ? Promise.reject(new Error("0")) : Promise.resolve(deck(2))));
  decks.follow([material("deck01", "aa")]);
  await settle();
  expect(decks.pages("deck01")).toEqual([]);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(decks.pages("deck01")).toHaveLength(2);
  decks.follow([]);
  expect(decks.pages("deck01")).toEqual([]);
  vi.useRealTimers();
});

test("a page comes best first, and never the same picture twice", () => {
  expect(sizesOf(page(1), 1_920)).toEqual(["l1", "m1", "s1", "t1"]);
  expect(sizesOf(page(1), 900)).toEqual(["m1", "s1", "t1"]);
  expect(sizesOf({ ...page(1), l: "s1", m: "s1" }, 1_920)).toEqual(["s1", "t1"]);
});

test("a deck that is removed while its pages are asked for is asked for no more", async () => {
  vi.useFakeTimers();
  let asked = 0;
  const decks = new Decks("abc", () => (asked++, Promise.reject(new Error("404"))));
  decks.follow([material("deck01", "aa")]);
  await settle();
  decks.follow([]);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(asked).toBe(1);
  vi.useRealTimers();
});
