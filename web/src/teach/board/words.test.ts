/** Laws of the words about materials, and of what is remembered of them. */

import { describe, expect, test } from "vitest";
import type { Material, Participant } from "../../generated/messages";
import { offered, parsed, withReady } from "./remembered";
import { readiness, stateOf } from "./words";

const deck: Material = { id: "deck01", kind: "deck", name: "Spring", state: "ready", done: 32, total: 32, manifest: "aa" };
const room = (id: string, online = true): Participant => ({ id, online, role: "classroom" }) as Participant;
const rooms = [room("c1"), room("c2"), room("c3", false)];

describe("readiness", () => {
  const said = (of: Record<string, { have: number; total: number }>): unknown => {
    const found = readiness(deck, { deck01: of }, rooms);
    return found === null ? null : [found.text, found.params];
  };

  test("counts the classrooms that are here, and those only", () => {
    const whole = { have: 32, total: 32 };
    expect(said({ c1: whole, c2: whole })).toEqual(["mat.ready.all", { count: 2 }]);
    expect(said({ c1: whole, c3: whole })).toEqual(["mat.ready.some", { have: 1, all: 2 }]);
    expect(said({ c3: whole })).toEqual(["mat.ready.none", { count: 2 }]);
    expect(said({ c1: { have: 8, total: 32 } })).toEqual(["mat.ready.under", { percent: 25 }]);
  });

  test("says nothing where nobody is here, or nothing is there yet", () => {
    expect(readiness(deck, {}, [])).toBeNull();
    expect(readiness({ ...deck, manifest: "" }, {}, rooms)).toBeNull();
    expect(readiness({ ...deck, state: "failed" }, {}, rooms)).toBeNull();
  });
});

test("a material says how far it is", () => {
  expect(stateOf(deck)).toMatchObject({ text: "mat.pages", params: { count: 32 } });
  expect(stateOf({ ...deck, state: "working", done: 5 })).toMatchObject({ text: "mat.working.pages", params: { done: 5, total: 32 } });
  expect(stateOf({ ...deck, state: "working", done: 0, total: 0 })).toMatchObject({ text: "mat.working" });
  expect(stateOf({ ...deck, kind: "song", state: "working", done: 40, total: 100 })).toMatchObject({ params: { done: 40 } });
  expect(stateOf({ ...deck, state: "failed" })).toBeNull();
});

describe("earlier materials", () => {
  const earlier = withReady([], "old", "t".repeat(22), [deck, { ...deck, id: "deck02", state: "working" }]);

  test("are those that were ready, the newest of a name first", () => {
    expect(earlier.map((one) => [one.lesson, one.material])).toEqual([["old", "deck01"]]);
    const newer = withReady(earlier, "new", "u".repeat(22), [{ ...deck, id: "deck09" }]);
    expect(newer.map((one) => [one.lesson, one.material])).toEqual([["new", "deck09"]]);
    expect(withReady(newer, "new", "u".repeat(22), [{ ...deck, id: "deck09" }])).toBe(newer);
  });

  test("are offered in other lessons that lack them", () => {
    expect(offered(earlier, "old", [])).toEqual([]);
    expect(offered(earlier, "new", [])).toHaveLength(1);
    expect(offered(earlier, "new", [{ ...deck, id: "deck77" }])).toEqual([]);
  });

  test("survive nonsense in the storage, and stay bounded", () => {
    for (const text of [null, "", "{", "{}", '[1,{"lesson":"x"}]', '[{"lesson":1}]']) expect(parsed(text)).toEqual([]);
    const many = Array.from({ length: 60 }, (_, n): Material => ({ ...deck, id: `deck${n}`, name: `n${n}` }));
    expect(withReady([], "old", "t", many)).toHaveLength(24);
    expect(parsed(JSON.stringify(earlier))).toEqual(earlier);
  });
});
