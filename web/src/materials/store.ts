/** Keeps the files of lessons in the browser: in the Cache API, where the service worker finds them too; in memory where there
 * is none. Bounded; the lesson that was open longest ago goes first. Knows no server and no manifest. */

import { recall, remember } from "../lib/storage";
import { MATERIALS_CACHE, materialPath, nameIn } from "./names";
import { type Kept, MOST_IN_MEMORY, toForget } from "./room";

const KEPT_KEY = "materials";

export class Store {
  /** Where each file is kept, by its hash: in any lesson, as a deck may be used again. */
  private readonly paths = new Map<string, string>();
  private readonly memory = new Map<string, Blob>();
  private inMemory = 0;
  private full = false;

  private constructor(
    private readonly lesson: string,
    private readonly cache: Cache | null,
  ) {}

  /** Open what is kept, on behalf of `lesson`. Never fails: a browser that keeps nothing still shows slides. */
  static async open(lesson: string): Promise<Store> {
    let store = new Store(lesson, null);
    try {
      if (typeof caches !== "undefined") {
        const cache = await caches.open(MATERIALS_CACHE);
        store = new Store(lesson, cache);
        for (const { url } of await cache.keys()) {
          const path = new URL(url).pathname;
          const found = nameIn(path);
          if (found !== null) store.paths.set(found.sha, path);
        }
      }
    } catch {
      // Forbidden (private windows, policies): memory it is.
    }
    store.note(0);
    return store;
  }

  has(sha: string): boolean {
    return this.paths.has(sha) || this.memory.has(sha);
  }

  /** There is room for what is not needed at once. */
  get room(): boolean {
    return !this.full;
  }

  /** The file; null when the browser has thrown it away meanwhile. */
  async get(sha: string): Promise<Blob | null> {
    const path = this.paths.get(sha);
    if (path !== undefined && this.cache !== null) {
      try {
        const found = await this.cache.match(path, { ignoreVary: true });
        if (found !== undefined) return await found.blob();
      } catch {
        // As good as gone.
      }
      this.paths.delete(sha);
    }
    return this.memory.get(sha) ?? null;
  }

  /** Keep a file, on the disk if that is possible at all. */
  async put(sha: string, ext: string, file: Blob): Promise<void> {
    if (this.cache !== null && (await this.makeRoom(file.size))) {
      const path = materialPath(this.lesson, sha, ext);
      const headers = { "Content-Type": file.type, "Content-Length": `${file.size}` };
      for (;;) {
        try {
          await this.cache.put(path, new Response(file, { headers }));
          this.paths.set(sha, path);
          this.note(file.size);
          return;
        } catch {
          // The browser gives less than the bound: the oldest goes, one after the other, until nothing else is left.
          const oldest = this.kept().filter((one) => one.lesson !== this.lesson).sort((a, b) => a.usedMs - b.usedMs)[0];
          if (oldest === undefined) break;
          await this.forget(oldest.lesson);
        }
      }
    }
    this.remember(sha, file);
  }

  private remember(sha: string, file: Blob): void {
    this.memory.set(sha, file);
    this.inMemory += file.size;
    this.full = this.inMemory > MOST_IN_MEMORY;
    // What is shown now is needed more than what was kept first.
    for (const [oldest, { size }] of Array.from(this.memory)) {
      if (this.inMemory <= MOST_IN_MEMORY || oldest === sha) break;
      this.memory.delete(oldest);
      this.inMemory -= size;
    }
  }

  private async makeRoom(more: number): Promise<boolean> {
    const forgotten = toForget(this.kept(), this.lesson, more);
    if (forgotten === null) {
      this.full = true;
      return false;
    }
    for (const lesson of forgotten) await this.forget(lesson);
    return true;
  }

  private async forget(lesson: string): Promise<void> {
    for (const [sha, path] of Array.from(this.paths)) {
      if (nameIn(path)?.lesson !== lesson) continue;
      this.paths.delete(sha);
      await this.cache?.delete(path).catch(() => false);
    }
    this.write(this.kept().filter((one) => one.lesson !== lesson));
  }

  /** What each lesson takes: as noted, and those of whom the note was lost, as the oldest. */
  private kept(): readonly Kept[] {
    let noted: readonly Kept[] = [];
    try {
      const read: unknown = JSON.parse(recall(KEPT_KEY) ?? "[]");
      if (Array.isArray(read)) noted = (read as readonly Kept[]).filter((one) => typeof one?.lesson === "string" && one.bytes >= 0 && one.usedMs >= 0);
    } catch {
      // Written by something else: all count as old.
    }
    const lessons = new Set(Array.from(this.paths.values(), (path) => nameIn(path)?.lesson ?? ""));
    noted.forEach((one) => lessons.delete(one.lesson));
    return noted.concat(Array.from(lessons, (lesson) => ({ lesson, bytes: 0, usedMs: 0 })));
  }

  private note(more: number): void {
    const kept = this.kept();
    const own = kept.find((one) => one.lesson === this.lesson);
    const now: Kept = { lesson: this.lesson, bytes: (own?.bytes ?? 0) + more, usedMs: Date.now() };
    this.write(kept.filter((one) => one !== own).concat(now));
  }

  private write(kept: readonly Kept[]): void {
    remember(KEPT_KEY, JSON.stringify(kept));
  }
}
