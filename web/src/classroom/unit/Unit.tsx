/** The door to what a classroom says and is asked as one (`parts.tsx`): a place in the page that stays empty until the rest
 * is here. It is fetched when the first sound is on its way, which it must not hold up. */

import { computed, effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import type { ClassroomModel } from "../model";

/** Where in the page a part stands. */
export type Place = "waiting" | "stage" | "tools" | "edge" | "menu";
export type Part = (props: { readonly model: ClassroomModel }) => JSX.Element | null;

const parts = signal<Readonly<Record<Place, Part>> | null>(null);
/** A lesson without sound is taught with questions all the same. */
const PATIENCE_MS = 6_000;
const AGAIN_MS = 5_000;
let coming = false;
/** Whether it is here. */
export const unitHere = computed(() => parts.value !== null);

/** Fetch it now; resolves when it is here. */
export async function bring(): Promise<void> {
  coming = true;
  parts.value = (await import("./parts")).PARTS;
}

function bringSurely(): void {
  if (coming) return;
  bring().catch(() => {
    setTimeout(() => {
      coming = false;
      bringSurely();
    }, AGAIN_MS);
  });
}

export function Unit({ model, at, instead }: { readonly model: ClassroomModel; readonly at: Place; readonly instead?: JSX.Element }): JSX.Element | null {
  useEffect(() => {
    const timer = setTimeout(bringSurely, PATIENCE_MS);
    const stop = effect(() => {
      const state = model.page.lessonState.value;
      const waits = (state !== null && state !== "live") || model.mediaHere.value;
      if (model.page.settled.value && waits) bringSurely();
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [model]);
  const Found = parts.value?.[at];
  return Found === undefined ? (instead ?? null) : <Found model={model} />;
}
