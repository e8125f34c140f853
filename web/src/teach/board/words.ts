/** Sentences about materials, as keys and what they are filled with. Pure. */

import type { Material, Participant } from "../../generated/messages";
import type { Params, TextKey } from "../../lib/i18n";
import type { Tone } from "../../ui/StatusLine";

export interface Said {
  readonly tone: Tone;
  readonly text: TextKey;
  readonly params: Params;
}

/** How much of a material a classroom has, in files. */
export interface Prepared {
  readonly have: number;
  readonly total: number;
}

/** By material, then by classroom. */
export type PreparedAll = Readonly<Record<string, Readonly<Record<string, Prepared>>>>;

/** What a material is, or is becoming. The problem's own sentence is `mat.problem.*`. */
export function stateOf({ kind, state = "working", done = 0, total = 0 }: Material): Said | null {
  if (state === "failed") return null;
  if (state === "ready") {
    return kind === "deck" ? { tone: "good", text: "mat.pages", params: { count: total > 0 ? total : done } } : null;
  }
  if (kind !== "deck") return { tone: "wait", text: "mat.working.percent", params: { done } };
  if (total === 0) return { tone: "wait", text: "mat.working", params: {} };
  return { tone: "wait", text: "mat.working.pages", params: { done, total } };
}

/** In how many of the classrooms that are here a material lies ready; null where there is nothing to say. */
export function readiness(material: Material, prepared: PreparedAll, participants: readonly Participant[]): Said | null {
  if ((material.manifest ?? "") === "" || material.state === "failed") return null;
  const here = participants.filter((one) => one.role === "classroom" && one.online);
  if (here.length === 0) return null;
  const of = prepared[material.id] ?? {};
  const whole = here.filter((one) => isWhole(of[one.id]));
  const all = here.length;
  if (whole.length === all) return { tone: "good", text: "mat.ready.all", params: { count: all } };
  if (whole.length > 0) return { tone: "wait", text: "mat.ready.some", params: { have: whole.length, all } };
  const [most, total] = here.reduce<readonly [number, number]>(
    (best, one) => {
      const { have = 0, total: files = 0 } = of[one.id] ?? {};
      return files > 0 && have >= best[0] ? [have, files] : best;
    },
    [0, 0],
  );
  if (total === 0) return { tone: "wait", text: "mat.ready.none", params: { count: all } };
  return { tone: "wait", text: "mat.ready.under", params: { percent: Math.floor((most * 100) / total) } };
}

function isWhole(one: Prepared | undefined): boolean {
  return one !== undefined && one.total > 0 && one.have >= one.total;
}
