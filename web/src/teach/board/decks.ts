/** What the materials consist of: their manifests, fetched as they grow, and the addresses of pages and media in them. Knows
 * the files' addresses and nothing of who shows them. */

import { signal } from "@preact/signals";
import type { Material } from "../../generated/messages";

export interface DeckPage {
  readonly w: number;
  readonly h: number;
  readonly thumb: string;
  readonly s: string;
  readonly m: string;
  readonly l: string;
  readonly text?: string;
}

export interface DeckManifest {
  readonly kind: "deck";
  readonly pages: readonly DeckPage[];
}

export interface MediaManifest {
  readonly kind: "song" | "film";
  readonly file: string;
  readonly ext: string;
  readonly duration_ms: number;
  readonly width: number;
  readonly height: number;
}

export type Manifest = DeckManifest | MediaManifest;

const AGAIN_AFTER_MS = 2_000;
/** Wider than this many device pixels, the middle size would look soft. */
const MIDDLE_WIDTH = 1_400;

export type Fetch = (url: string) => Promise<Manifest>;

export class Decks {
  /** The newest manifest that is here, by material. */
  readonly manifests = signal<Readonly<Record<string, Manifest>>>({});
  private readonly have: Record<string, string> = {};
  private readonly wanted: Record<string, string> = {};
  private readonly busy: Record<string, boolean> = {};

  constructor(
    private readonly lesson: string,
    private readonly fetchManifest: Fetch = fetchJson,
  ) {}

  url(sha: string, ext: string): string {
    return `/material/${this.lesson}/${sha}.${ext}`;
  }

  /** The materials as they stand: bring what is new of them, each one's newest manifest only. */
  follow(materials: readonly Material[]): void {
    for (const { id, manifest = "" } of materials) {
      if (manifest === "") continue;
      this.wanted[id] = manifest;
      void this.bring(id);
    }
    for (const id of Object.keys(this.wanted)) {
      if (materials.some((one) => one.id === id)) continue;
      delete this.wanted[id];
      delete this.have[id];
    }
    const known = this.manifests.peek();
    const left = Object.keys(known).filter((id) => materials.some((one) => one.id === id));
    if (left.length === Object.keys(known).length) return;
    const kept: Record<string, Manifest> = {};
    for (const id of left) kept[id] = known[id] as Manifest;
    this.manifests.value = kept;
  }

  pages(material: string): readonly DeckPage[] {
    const found = this.manifests.value[material];
    return found?.kind === "deck" ? found.pages : [];
  }

  media(material: string): MediaManifest | null {
    const found = this.manifests.value[material];
    return found === undefined || found.kind === "deck" ? null : found;
  }

  private async bring(id: string): Promise<void> {
    if (this.busy[id] === true) return;
    this.busy[id] = true;
    // Nothing is wanted of what was removed meanwhile.
    for (let sha = this.wanted[id]; sha !== undefined && sha !== this.have[id]; sha = this.wanted[id]) {
      try {
        const manifest = await this.fetchManifest(this.url(sha, "json"));
        if (this.wanted[id] === undefined) break;
        this.have[id] = sha;
        this.manifests.value = { ...this.manifests.peek(), [id]: manifest };
      } catch {
        await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
      }
    }
    this.busy[id] = false;
  }
}

async function fetchJson(url: string): Promise<Manifest> {
  const response = await fetch(url, { credentials: "omit" });
  if (!response.ok) throw new Error(`${response.status}`);
  return (await response.json()) as Manifest;
}

/** Hashes of a page's pictures, best first and each once, for a stage of so many device pixels. */
export function sizesOf(page: DeckPage, pixels: number): string[] {
  const all = pixels > MIDDLE_WIDTH ? [page.l, page.m, page.s, page.thumb] : [page.m, page.s, page.thumb];
  return all.filter((sha, at) => sha !== "" && all.indexOf(sha) === at);
}
