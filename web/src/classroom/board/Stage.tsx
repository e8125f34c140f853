/** The classroom's stage while slides, the blank board or a film are shown: over the live pictures, once it can be painted. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { FIRST_CHOICE, heldOf, Surface, Tools } from "../../board/index";
import { numberOf, ownerOf } from "../../lib/board";
import { t } from "../../lib/i18n";
import { Icon } from "../../ui/Icon";
import "./classboard.css";
import type { BoardModel } from "./model";

/** A page or song that comes within this needs no words. */
const PATIENCE_MS = 1_200;

export function BoardStage({ board }: { readonly board: BoardModel }): JSX.Element {
  const choice = useSignal(FIRST_CHOICE);
  const shown = board.shown.value;
  const sight = board.sight.value;
  const draws = board.mayDraw.value;
  return (
    <>
      {sight === "film" && <Film element={board.media.element} />}
      {shown !== null && (
        <div class={`classboard${sight === "page" ? "" : " classboard-coming"}${draws ? " classboard-draws" : ""}`} data-test="class-board" data-page={board.inSight.value}>
          <Surface
            page={shown.page}
            aspect={shown.aspect}
            backgrounds={shown.backgrounds}
            strokes={board.strokes.value}
            pointer={board.pointer.value}
            label={labelOf(shown.page)}
            held={draws ? heldOf(choice.value) : null}
            erasesOnly={board.you.value}
            onDraw={(message) => board.draw(message)}
            onShown={(page) => board.came(page)}
            epoch={board.epoch.value}
          />
          {draws && (
            <Tools few choice={choice.value} onChoice={(chosen) => (choice.value = chosen)} onCommand={(command) => board.command(command)} />
          )}
        </div>
      )}
      <Coming board={board} />
    </>
  );
}

function labelOf(page: string): string {
  return ownerOf(page) === "b" ? t("classboard.blank") : t("classboard.page", { page: numberOf(page) });
}

/** The film: an element that its player owns. */
function Film({ element }: { readonly element: HTMLVideoElement }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    element.setAttribute("aria-label", t("classboard.film"));
    place.current?.appendChild(element);
    return () => element.remove();
  }, [element]);
  return <div class="classboard" ref={place} data-test="class-film" />;
}

/** One quiet sentence while something is on its way for longer than one waits without asking. */
function Coming({ board }: { readonly board: BoardModel }): JSX.Element | null {
  const patient = useSignal(true);
  const page = board.awaited.value;
  const song = board.media.awaited.value;
  useEffect(() => {
    patient.value = true;
    if (!page && !song) return undefined;
    const timer = setTimeout(() => (patient.value = false), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [page, song]);
  if (patient.value || (!page && !song)) return null;
  return (
    <p class="classboard-note" role="status" data-test="class-board-coming">
      <Icon name="wait" />
      {t(page ? "classboard.page.coming" : "classboard.media.coming")}
    </p>
  );
}
