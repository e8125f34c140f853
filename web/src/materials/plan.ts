/** What a classroom fetches next of the lesson's slides, songs and films, and how fast it may. Pure: what there is and what is
 * here goes in, one file comes out. Knows no network, no disk and no clock.
 *
 * The order: what is looked at now, its smallest picture first; what is about to be played; the pages beside the one that is
 * shown; every page of every deck as a projector needs it; the largest pictures where the screen is wide; songs and films.
 */

import type { Material } from "../generated/messages";
import { numberOf, ownerOf } from "../lib/board";
import { bytesOf, type Deck, type DeckPage, type Manifest, type PictureSize } from "./manifest";

/** `now`: the class looks at nothing until it is here. `soon`: it looks at something worse, or waits for a song. */
export type Urgency = "now" | "soon" | "spare";

export interface Wish {
  /** SHA-256 in hex, which is its name. */
  readonly sha: string;
  readonly ext: string;
  /** 0: not known. */
  readonly bytes: number;
  readonly urgency: Urgency;
  /** Of which material; a manifest is of one only. */
  readonly material: string;
}

export interface Shelf {
  readonly materials: readonly Material[];
  /** By their hashes. */
  readonly manifests: ReadonlyMap<string, Manifest>;
  /** Whether the file of this hash is here. */
  readonly has: (sha: string) => boolean;
  /** Whether it was refused just now, and is not to be asked for. */
  readonly barred: (sha: string) => boolean;
  /** The newest manifest that is here of each material, by the material's id. */
  readonly newest: ReadonlyMap<string, string>;
  /** The page that is shown; empty: none. */
  readonly page: string;
  /** The song or film that plays or is about to; empty: none. */
  readonly playing: string;
  /** The largest pictures can be seen here. */
  readonly wide: boolean;
  /** There is room for what is not needed now. */
  readonly room: boolean;
}

/** The next file; null: all is here that can be had. */
export function nextWish(shelf: Shelf): Wish | null {
  return forPage(shelf) ?? forPlaying(shelf) ?? (shelf.room ? spare(shelf) : null);
}

/** How much of a material is here, as the volunteer is told: pages of a deck that a projector can show, else the one file. */
export function readiness(shelf: Pick<Shelf, "has" | "manifests" | "newest">, material: Material): { have: number; total: number } {
  const manifest = manifestOf(shelf, material);
  if (material.kind !== "deck") {
    return { have: manifest !== null && manifest.kind !== "deck" && shelf.has(manifest.file) ? 1 : 0, total: 1 };
  }
  const pages = manifest?.kind === "deck" ? manifest.pages : [];
  const have = pages.filter((one) => shelf.has(one.m) || shelf.has(one.l)).length;
  return { have, total: Math.max(pages.length, material.total ?? 0) };
}

/** The pictures of a page that are here, best first. */
export function picturesHere(shelf: Pick<Shelf, "has">, page: DeckPage, wide: boolean): readonly string[] {
  const best = wide ? [page.l, page.m, page.s] : [page.m, page.l, page.s];
  return best.filter((sha, at) => shelf.has(sha) && best.indexOf(sha) === at);
}

/** The page of a deck that `key` names, as far as it is known. */
export function pageOf(shelf: Pick<Shelf, "materials" | "manifests" | "newest">, key: string): DeckPage | null {
  const deck = deckOf(shelf, ownerOf(key));
  return deck?.pages[numberOf(key) - 1] ?? null;
}

/** What is known of a material: its newest manifest, else the newest that is here. */
export function manifestOf(shelf: Pick<Shelf, "manifests" | "newest">, material: Material): Manifest | null {
  return shelf.manifests.get(material.manifest ?? "") ?? shelf.manifests.get(shelf.newest.get(material.id) ?? "") ?? null;
}

function deckOf(shelf: Pick<Shelf, "materials" | "manifests" | "newest">, id: string): Deck | null {
  const material = shelf.materials.find((one) => one.id === id);
  const manifest = material === undefined ? null : manifestOf(shelf, material);
  return manifest?.kind === "deck" ? manifest : null;
}

function picture(shelf: Shelf, page: DeckPage, size: PictureSize, urgency: Urgency): Wish | null {
  return file(shelf, page[size], "webp", bytesOf(page, size), urgency);
}

function file(shelf: Shelf, sha: string, ext: string, bytes: number, urgency: Urgency): Wish | null {
  return sha === "" || shelf.has(sha) || shelf.barred(sha) ? null : { sha, ext, bytes, urgency, material: "" };
}

/** Its newest manifest, unless that is known. */
function paper(shelf: Shelf, material: Material, urgency: Urgency): Wish | null {
  const sha = material.manifest ?? "";
  return sha === "" || shelf.manifests.has(sha) || shelf.barred(sha) ? null : { sha, ext: "json", bytes: 0, urgency, material: material.id };
}

function forPage(shelf: Shelf): Wish | null {
  const material = shelf.materials.find((one) => one.id === ownerOf(shelf.page));
  if (material === undefined) return null;
  const page = pageOf(shelf, shelf.page);
  if (page === null) return paper(shelf, material, "now");
  if (!shelf.has(page.m) && !shelf.has(page.l)) {
    const first = shelf.has(page.s) ? null : picture(shelf, page, "s", "now");
    // A picture that is refused must not keep the class from the next larger one.
    const next = first ?? picture(shelf, page, "m", shelf.has(page.s) ? "soon" : "now");
    if (next !== null) return next;
  }
  return shelf.wide ? picture(shelf, page, "l", "soon") : null;
}

function forPlaying(shelf: Shelf): Wish | null {
  const material = shelf.materials.find((one) => one.id === shelf.playing);
  if (material === undefined) return null;
  const manifest = manifestOf(shelf, material);
  if (manifest === null) return paper(shelf, material, "soon");
  return manifest.kind === "deck" ? null : file(shelf, manifest.file, manifest.ext, manifest.bytes, "soon");
}

function spare(shelf: Shelf): Wish | null {
  const shown = ownerOf(shelf.page);
  const at = numberOf(shelf.page) - 1;
  const materials = shelf.materials.filter((one) => one.id === shown).concat(shelf.materials.filter((one) => one.id !== shown));
  const decks = materials.filter((one) => one.kind === "deck");
  return (
    first(decks, (one) => (manifestOf(shelf, one) === null ? paper(shelf, one, "spare") : null)) ??
    // The page that is shown stands first, its neighbours next, then on to the end, then what lies before.
    first(decks, (one) => inOrder(shelf, one, "m", one.id === shown ? at : 0)) ??
    // Of a deck that is still being made, every new manifest only adds pages: what is known of comes first.
    first(decks, (one) => paper(shelf, one, "spare")) ??
    (shelf.wide ? first(decks, (one) => inOrder(shelf, one, "l", one.id === shown ? at : 0)) : null) ??
    first(materials, (one) => (one.kind === "song" ? media(shelf, one) : null)) ??
    first(materials, (one) => (one.kind === "film" ? media(shelf, one) : null))
  );
}

function media(shelf: Shelf, material: Material): Wish | null {
  const manifest = manifestOf(shelf, material);
  if (manifest === null) return paper(shelf, material, "spare");
  return manifest.kind === "deck" ? null : file(shelf, manifest.file, manifest.ext, manifest.bytes, "spare");
}

function inOrder(shelf: Shelf, material: Material, size: PictureSize, at: number): Wish | null {
  const manifest = manifestOf(shelf, material);
  const pages = manifest?.kind === "deck" ? manifest.pages : [];
  const ordered = pages.slice(at, at + 2).concat(pages.slice(Math.max(0, at - 1), at), pages.slice(at + 2), pages.slice(0, Math.max(0, at - 1)));
  return first(ordered, (page) => (size === "m" && shelf.has(page.l) ? null : picture(shelf, page, size, "spare")));
}

function first<T>(all: readonly T[], wish: (one: T) => Wish | null): Wish | null {
  for (const one of all) {
    const found = wish(one);
    if (found !== null) return found;
  }
  return null;
}
