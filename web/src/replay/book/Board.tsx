/** What lay on the stage over the live pictures: a page with its strokes as they came, or a film. */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { inksOf, Surface } from "../../board/index";
import { numberOf, ownerOf } from "../../lib/board";
import { t } from "../../lib/i18n";
import { BLANK, nameOf } from "../outline";
import type { Book } from "./book";
import { sizesOf } from "./decks";
import type { Sounding } from "./sounding";

const BLANK_ASPECT = 9 / 16;

export interface BoardProps {
  readonly book: Book;
  readonly sounding: Sounding;
}

export function Board({ book, sounding }: BoardProps): JSX.Element | null {
  const { stage } = book.scene.value.board;
  return (
    <div class="replay-board" data-test="board">
      {stage.stage === "film" ? <Film book={book} sounding={sounding} /> : <Page book={book} />}
    </div>
  );
}

interface Sheet {
  readonly page: string;
  readonly aspect: number;
  readonly backgrounds: readonly string[];
}

function Page({ book }: { readonly book: Book }): JSX.Element {
  const room = useRef<HTMLDivElement>(null);
  const pixels = usePixels(room);
  const last = useRef<Sheet | null>(null);
  const { board, pages, pointer } = book.scene.value;
  const wanted = sheetOf(book, board.stage.page, pixels);
  // A slide whose pictures are not known yet would be white: the one before stays until they are.
  if (wanted !== null) last.current = wanted;
  const sheet = last.current;
  return (
    <div class="replay-board-room" ref={room}>
      {sheet === null ? (
        <p class="replay-board-coming">{t("replay.slide.coming")}</p>
      ) : (
        <Surface
          page={sheet.page}
          aspect={sheet.aspect}
          backgrounds={sheet.backgrounds}
          strokes={inksOf(pages, sheet.page)}
          pointer={sheet.page === board.stage.page ? pointer : null}
          label={pageName(sheet.page, nameOf(board.materials.find((one) => one.id === ownerOf(sheet.page))))}
        />
      )}
    </div>
  );
}

/** A page in words. */
export function pageName(page: string, deck: string): string {
  const at = numberOf(page);
  return ownerOf(page) === BLANK ? t("replay.board", { at }) : t("replay.slide", { at, name: deck });
}

/** Null while the page's pictures are not known. Of a deck that is gone the strokes remain, on paper. */
function sheetOf(book: Book, page: string, pixels: number): Sheet | null {
  const found = ownerOf(page) === BLANK ? null : book.decks.page(page);
  if (found === null) {
    const paper = ownerOf(page) === BLANK || book.decks.isGone(page);
    return paper ? { page, aspect: BLANK_ASPECT, backgrounds: [] } : null;
  }
  const sizes = sizesOf(found, pixels, book.controller.light.value);
  return { page, aspect: found.w > 0 ? found.h / found.w : BLANK_ASPECT, backgrounds: sizes.map((sha) => book.decks.url(sha, "webp")) };
}

/** How many device pixels wide the room is. */
function usePixels(room: { readonly current: HTMLElement | null }): number {
  const [pixels, setPixels] = useState(0);
  useLayoutEffect(() => {
    const element = room.current;
    if (element === null) return undefined;
    const read = (): void => setPixels(element.clientWidth * (window.devicePixelRatio || 1));
    const observer = new ResizeObserver(read);
    read();
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return pixels;
}

/** The one element that plays, moved here. */
function Film({ book, sounding }: BoardProps): JSX.Element {
  const room = useRef<HTMLDivElement>(null);
  const element = sounding.element.value;
  const { board } = book.scene.value;
  const name = nameOf(board.materials.find((one) => one.id === board.stage.material));
  useEffect(() => {
    if (element === null || room.current === null) return undefined;
    element.setAttribute("aria-label", name);
    room.current.appendChild(element);
    return () => element.remove();
  }, [element, name]);
  return (
    <div class="replay-board-room" ref={room}>
      {element === null && <p class="replay-board-coming">{t("replay.film.coming")}</p>}
    </div>
  );
}
