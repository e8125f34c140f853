/** The manifests of what was shown in a lesson, and the addresses of pages and media in them. A deck only ever grows, so the
 * newest manifest holds every page that was shown. */

import { signal } from "@preact/signals";
import type { Material } from "../../generated/messages";
import { numberOf, ownerOf } from "../../lib/board";
import type { DeckPage, Manifest, MediaManifest } from "../../teach/board/decks";

const AGAIN_AFTER_MS = 3_000;
/** Wider than this many device pixels, a smaller picture would look soft. */
const SMALL_WIDTH = 520;
const MIDDLE_WIDTH = 1_400;

export class Decks {
  /** By material. Null: its files are gone. */
  readonly manifests = signal<Readonly<Record<string, Manifest | null>>>({});
  private readonly asked: Record<string, string> = {};
  private closed = false;

  constructor(private readonly lesson: string) {}

  url(sha: string, ext: string): string {
    return `/material/${this.lesson}/${sha}.${ext}`;
  }

  /** Bring the newest manifest of each. */
  follow(materials: Readonly<Record<string, Material>>): void {
    for (const id of Object.keys(materials)) {
      const sha = materials[id]?.manifest ?? "";
      if (sha === "" || this.asked[id] === sha) continue;
      this.asked[id] = sha;
      void this.bring(id, sha);
    }
  }

  close(): void {
    this.closed = true;
  }

  page(key: string): DeckPage | null {
    const found = this.manifests.value[ownerOf(key)];
    return found?.kind === "deck" ? (found.pages[numberOf(key) - 1] ?? null) : null;
  }

  /** False while the page may still come. */
  isGone(key: string): boolean {
    return this.manifests.value[ownerOf(key)] === null;
  }

  thumb(key: string): string | null {
    const page = this.page(key);
    return page === null ? null : this.url(page.thumb, "webp");
  }

  media(material: string): MediaManifest | null {
    const found = this.manifests.value[material];
    return found === undefined || found === null || found.kind === "deck" ? null : found;
  }

  private async bring(id: string, sha: string): Promise<void> {
    while (!this.closed && this.asked[id] === sha) {
      try {
        const response = await fetch(this.url(sha, "json"), { credentials: "omit" });
        const manifest = response.ok ? ((await response.json()) as Manifest) : null;
        // A refusal that lasts: the material was removed. Others are a server that starts, or a proxy's.
        if (manifest !== null || response.status === 404 || response.status === 410) {
          if (this.asked[id] === sha) this.manifests.value = { ...this.manifests.peek(), [id]: manifest };
          return;
        }
      } catch {
        // No network: again.
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
    }
  }
}

/** Hashes of a page's pictures, best first and each once, for a stage of so many device pixels. In the light replay bytes are
 * dear: the middle size is sharp enough to read. */
export function sizesOf(page: DeckPage, pixels: number, light: boolean): readonly string[] {
  const all =
    pixels <= SMALL_WIDTH
      ? [page.s, page.thumb]
      : pixels <= MIDDLE_WIDTH || light
        ? [page.m, page.s, page.thumb]
        : [page.l, page.m, page.s, page.thumb];
  return all.filter((sha, at) => sha !== "" && all.indexOf(sha) === at);
}
