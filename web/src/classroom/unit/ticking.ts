/** Clocks that run while something is shown, by the server's time. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { wallMs } from "../../lib/ticker";
import type { ClassroomModel } from "../model";
import { waitedS } from "./moments";

/** A second is seen to pass at most this late. */
const STEP_MS = 200;

/** The server's time, renewed five times a second while `running`. */
export function useServerNow(model: ClassroomModel, running: boolean): number {
  const now = useSignal(model.page.serverNowMs());
  useEffect(() => {
    if (!running) return undefined;
    const tick = (): void => {
      now.value = model.page.serverNowMs();
    };
    tick();
    const timer = setInterval(tick, STEP_MS);
    return () => clearInterval(timer);
  }, [running, model]);
  return now.value;
}

/** Whole seconds since a time of the server; 0 without one. */
export function useWaited(model: ClassroomModel, sinceMs: number | null): number {
  if (sinceMs === null) return 0;
  return waitedS(sinceMs, wallMs.value + (model.page.view.value?.clockOffsetMs ?? 0));
}
