/** What this lesson has cost the room's data plan, and what it may cost. Counts live media, the recording that is caught up
 * from, and the page; keeps the sum per lesson in the browser. */

import { computed, signal } from "@preact/signals";
import { recall, remember } from "./storage";

const MB = 1_000_000;
/** Megabytes that a lesson may cost; 0: no limit. */
export const BUDGETS_MB = [0, 50, 100, 200, 500] as const;
const NEAR = 0.8;

export type BudgetState = "free" | "near" | "spent";

/** How a sum stands to its budget. */
export function budgetState(usedMb: number, budgetMb: number): BudgetState {
  if (budgetMb <= 0) return "free";
  return usedMb >= budgetMb ? "spent" : usedMb >= budgetMb * NEAR ? "near" : "free";
}

/** Turns counters that start at nothing with each connection into one sum. */
export class Odometer {
  private last = new Map<string, number>();

  /** What `counter` of connection `id` adds since it was read last. */
  added(id: string, counter: number): number {
    const before = this.last.get(id) ?? 0;
    // Only the newest connections are counted; the old ones never speak again.
    if (this.last.size > 8 && !this.last.has(id)) this.last.clear();
    this.last.set(id, counter);
    return Math.max(0, counter - before);
  }
}

export class Meter {
  readonly bytes = signal(0);
  /** Kept for all lessons of this browser: it is the room's plan that counts. */
  readonly budgetMb = signal(0);
  /** The person wants sound only. */
  readonly saving = signal(recall("saving") === "yes");
  readonly usedMb = computed(() => Math.round(this.bytes.value / (MB / 10)) / 10);
  readonly state = computed(() => budgetState(this.usedMb.value, this.budgetMb.value));
  /** What `Watch.ceiling` says. */
  readonly ceiling = computed((): "sound" | "full" => (this.saving.value || this.state.value === "spent" ? "sound" : "full"));

  private readonly odometer = new Odometer();
  private keptAtMs = 0;

  constructor(private readonly lesson: string) {
    const bytes = Number(recall(`used.${lesson}`) ?? "0");
    this.bytes.value = Number.isFinite(bytes) && bytes > 0 ? bytes : 0;
    const budget = Number(recall("budget") ?? "0");
    this.budgetMb.value = BUDGETS_MB.some((one) => one === budget) ? budget : 0;
    addEventListener("load", () => this.page());
    if (document.readyState === "complete") this.page();
  }

  add(bytes: number): void {
    this.bytes.value += bytes;
    const now = performance.now();
    if (now - this.keptAtMs < 5_000) return;
    this.keptAtMs = now;
    remember(`used.${this.lesson}`, String(Math.round(this.bytes.peek())));
  }

  /** Count the bytes of a connection, as its own counter says. */
  async connection(id: string, pc: RTCPeerConnection | null): Promise<void> {
    if (pc === null || id === "") return;
    const sums = { transport: 0, pairs: 0 };
    (await pc.getStats()).forEach((entry: Readonly<Record<string, unknown>>) => {
      const bytes = Number(entry["bytesReceived"] ?? 0) + Number(entry["bytesSent"] ?? 0);
      if (entry["type"] === "transport") sums.transport += bytes;
      else if (entry["type"] === "candidate-pair") sums.pairs += bytes;
    });
    // Firefox counts by pair only.
    this.add(this.odometer.added(id, Math.max(sums.transport, sums.pairs)));
  }

  setBudget(mb: number): void {
    this.budgetMb.value = mb;
    remember("budget", String(mb));
  }

  setSaving(saving: boolean): void {
    this.saving.value = saving;
    remember("saving", saving ? "yes" : "");
  }

  private page(): void {
    const all = performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"));
    this.add(all.reduce((sum, one) => sum + ((one as PerformanceResourceTiming).transferSize ?? 0), 0));
  }
}
