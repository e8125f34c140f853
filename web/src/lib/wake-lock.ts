/** Keeps the screen on while a lesson runs, where the browser can. */

interface Sentinel {
  release(): Promise<void>;
}

let wanted = false;
let held: Sentinel | null = null;

async function hold(): Promise<void> {
  const lock = (navigator as { wakeLock?: { request(kind: "screen"): Promise<Sentinel> } }).wakeLock;
  if (lock === undefined || document.visibilityState !== "visible") return;
  try {
    held = await lock.request("screen");
    if (!wanted) await held.release();
  } catch {
    // A low battery may refuse: the lesson goes on.
  }
}

/** Keep the screen on from now on, or no longer. The browser lets go whenever the page is hidden; it is held again. */
export function keepScreenOn(on: boolean): void {
  if (on === wanted) return;
  wanted = on;
  if (on) {
    document.addEventListener("visibilitychange", hold);
    void hold();
  } else {
    document.removeEventListener("visibilitychange", hold);
    void held?.release();
    held = null;
  }
}
