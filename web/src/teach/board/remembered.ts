/** What this browser has taught with: materials of earlier lessons, to be used again without an upload. Pure but for the two
 * functions at the end, which keep the list in this browser. */

import type { Material } from "../../generated/messages";
import { recall, remember } from "../../lib/storage";

/** `token` is the teacher's link of `lesson`, which is what allows to take from it. */
export interface Earlier {
  readonly lesson: string;
  readonly token: string;
  readonly material: string;
  readonly kind: Material["kind"];
  readonly name: string;
  readonly pages: number;
}

/** What a person looks through; older ones are in lessons long gone. */
const MOST = 24;
const KEY = "materials";

/** The list with what is ready in this lesson at its head. A newer one of the same name and kind takes the older's place. */
export function withReady(list: readonly Earlier[], lesson: string, token: string, materials: readonly Material[]): readonly Earlier[] {
  let out = list;
  for (const { id, kind, name, state, total = 0 } of materials) {
    if (state !== "ready") continue;
    if (out.some((one) => one.lesson === lesson && one.material === id)) continue;
    const fresh: Earlier = { lesson, token, material: id, kind, name, pages: kind === "deck" ? total : 0 };
    out = [fresh].concat(out.filter((one) => one.name !== name || one.kind !== kind)).slice(0, MOST);
  }
  return out;
}

/** Those that this lesson does not have yet. */
export function offered(list: readonly Earlier[], lesson: string, materials: readonly Material[]): readonly Earlier[] {
  return list.filter((one) => one.lesson !== lesson && !materials.some((here) => here.name === one.name && here.kind === one.kind));
}

/** Anything that is no such list, as another version may have left it, is an empty one. */
export function parsed(text: string | null): readonly Earlier[] {
  try {
    const list = JSON.parse(text ?? "[]") as Earlier[];
    const whole = (one: Earlier): boolean =>
      [one.lesson, one.token, one.material, one.kind, one.name].every((part) => typeof part === "string");
    return Array.isArray(list) ? list.filter(whole) : [];
  } catch {
    return [];
  }
}

export function recallEarlier(): readonly Earlier[] {
  return parsed(recall(KEY));
}

export function keepEarlier(list: readonly Earlier[]): void {
  remember(KEY, list.length === 0 ? "" : JSON.stringify(list));
}
