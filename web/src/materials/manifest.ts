/** What a manifest says: the files of a deck's pages, or of a song or film. Pure; a manifest that is none is null, as it came
 * over the network and perhaps from a newer server. */

export type PictureSize = "s" | "m" | "l";

export interface DeckPage {
  readonly w: number;
  readonly h: number;
  readonly thumb: string;
  readonly s: string;
  readonly m: string;
  readonly l: string;
  /** Of thumb, s, m and l. */
  readonly bytes: readonly number[];
}

export interface Deck {
  readonly kind: "deck";
  readonly pages: readonly DeckPage[];
}

export interface Media {
  readonly kind: "song" | "film";
  readonly file: string;
  readonly ext: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
}

export type Manifest = Deck | Media;

const SHA = /^[0-9a-f]{64}$/;
const MEDIA_EXT = ["m4a", "mp3", "mp4"];

export function parseManifest(text: string): Manifest | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const found = value as Partial<Deck> & Partial<Media>;
  if (typeof value !== "object" || value === null) return null;
  if (found.kind === ("deck" as string)) return deckOf(found.pages);
  const media = found as Media;
  if (media.kind !== "song" && media.kind !== "film") return null;
  if (!isSha(media.file) || MEDIA_EXT.indexOf(media.ext) < 0 || !isSize(media.bytes)) return null;
  return { kind: media.kind, file: media.file, ext: media.ext, bytes: media.bytes, width: media.width || 0, height: media.height || 0 };
}

function deckOf(pages: unknown): Deck | null {
  if (!Array.isArray(pages)) return null;
  const sound = (pages as readonly DeckPage[]).every(
    (one) => [one.thumb, one.s, one.m, one.l].every(isSha) && one.w > 0 && one.h > 0 && Array.isArray(one.bytes) && one.bytes.every(isSize),
  );
  return sound ? { kind: "deck", pages: pages as readonly DeckPage[] } : null;
}

function isSha(value: unknown): boolean {
  return typeof value === "string" && SHA.test(value);
}

function isSize(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value < 4e9;
}

/** How large a picture of a page is, bytes. */
export function bytesOf(page: DeckPage, size: PictureSize): number {
  return page.bytes[size === "s" ? 1 : size === "m" ? 2 : 3] ?? 0;
}
