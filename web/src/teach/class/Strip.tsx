/** The strip of classrooms: as many tiles as fit, in pages that keep their order, whatever happens in the rooms. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import type { TeachModel } from "../model";
import { Tile } from "../Tile";
import { summary, summaryParts } from "../words";
import type { RoomsModel } from "./model";
import { buttons, fit, pagesOf, pagesWith, within } from "./pages";

/** From here on the strip stands beside the stage and has a height of its own. */
const BESIDE = "(min-width: 900px)";
/** The line above the tiles. */
const HEAD_PX = 52;
/** As many buttons as stand side by side with the arrows. */
const MOST_BUTTONS = 5;

export interface StripProps {
  readonly model: TeachModel;
  /** The stage shows live pictures, so that of a classroom may stand there already. */
  readonly live: boolean;
}

export function Strip({ model, live }: StripProps): JSX.Element {
  const { rooms } = model;
  const box = useRef<HTMLDivElement>(null);
  const height = useSignal<number | null>(600);
  const all = rooms.classrooms.value;
  const some = all.length > 0;
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const media = matchMedia(BESIDE);
    const look = (): void => {
      height.value = media.matches ? element.clientHeight - HEAD_PX : null;
    };
    look();
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => observer.disconnect();
  }, [some]);
  const board = model.page.board.value;
  const asking = board.hands.concat(board.signs).map((one) => one.participant);
  const queue = rooms.onlyHands.value;
  const ids = queue ? asking.filter((id, place) => asking.indexOf(id) === place) : all.map((one) => one.id);
  const { perPage, compact } = fit(height.value, ids.length);
  const pages = pagesOf(ids.length, perPage);
  const place = within(rooms.place.value, pages);
  const shown = ids.slice(place * perPage, (place + 1) * perPage);
  const tiles = shown.map((id) => all.find((one) => one.id === id)).filter((one) => one !== undefined);
  const key = tiles
    .filter((one) => one.online)
    .map((one) => one.id)
    .join(" ");
  useEffect(() => {
    rooms.looking.value = key === "" ? [] : key.split(" ");
  }, [key]);
  useEffect(() => () => void (rooms.looking.value = []), []);
  usePageKeys(rooms, pages);
  if (!some) return <p class="soft strip-none">{t("strip.none")}</p>;
  const main = live ? model.stage.value.main : null;
  return (
    <div ref={box} class="rooms">
      <div class="rooms-head">
        <p class="strip-summary" role="status">
          {summaryParts(summary(all))
            .map(({ text, params }) => t(text, params))
            .join(t("strip.summary.join"))}
        </p>
        {(queue || (asking.length > 0 && pages > 1)) && (
          <Button
            label={t("rooms.only")}
            icon="hand"
            class="rooms-only"
            pressed={queue}
            onPress={() => {
              rooms.onlyHands.value = !queue;
              rooms.place.value = 0;
            }}
            test="only-hands"
          />
        )}
      </div>
      <div class="rooms-box">
        {tiles.length === 0 && <p class="soft">{t("hands.none")}</p>}
        <ul class="tiles">
          {tiles.map((one) => (
            <Tile key={one.id} model={model} one={one} onStage={main?.participant === one.id} compact={compact} />
          ))}
        </ul>
      </div>
      {pages > 1 && <Pager rooms={rooms} pages={pages} place={place} marked={pagesWith(ids, asking, perPage)} />}
    </div>
  );
}

interface PagerProps {
  readonly rooms: RoomsModel;
  readonly pages: number;
  readonly place: number;
  /** Pages on which a classroom asks for something. */
  readonly marked: readonly number[];
}

function Pager({ rooms, pages, place, marked }: PagerProps): JSX.Element {
  const shown = buttons(pages, place, MOST_BUTTONS);
  const first = shown[0] ?? 0;
  const last = shown[shown.length - 1] ?? 0;
  const turn = (to: number): void => {
    rooms.place.value = within(to, pages);
  };
  const arrow = (to: number, name: string, icon: "back" | "next", mark: boolean): JSX.Element => (
    <button
      type="button"
      class="page-button"
      disabled={to < 0 || to >= pages}
      aria-label={mark ? t("rooms.page.hand", { name }) : name}
      title={name}
      onClick={() => turn(to)}
    >
      <Icon name={icon} />
      {mark && <Mark />}
    </button>
  );
  return (
    <nav class="pager" aria-label={t("rooms.pages")} data-test="pager">
      {arrow(place - 1, t("rooms.page.before"), "back", marked.some((page) => page < first))}
      {shown.map((page) => {
        const name = t("rooms.page", { page: page + 1, pages });
        const mark = marked.indexOf(page) >= 0;
        return (
          <button
            key={page}
            type="button"
            class="page-button"
            aria-current={page === place ? "page" : undefined}
            aria-label={mark ? t("rooms.page.hand", { name }) : name}
            data-marked={mark}
            onClick={() => turn(page)}
          >
            {page + 1}
            {mark && <Mark />}
          </button>
        );
      })}
      {arrow(place + 1, t("rooms.page.next"), "next", marked.some((page) => page > last))}
    </nav>
  );
}

function Mark(): JSX.Element {
  return (
    <span class="page-mark" aria-hidden="true">
      <Icon name="hand" />
    </span>
  );
}

/** PageUp and PageDown turn the strip, unless they turn something else: a field, a dialog, or whoever took the key first. */
function usePageKeys(rooms: RoomsModel, pages: number): void {
  useEffect(() => {
    const down = (event: KeyboardEvent): void => {
      if (event.key !== "PageUp" && event.key !== "PageDown") return;
      if (pages < 2 || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target instanceof HTMLElement ? event.target : null;
      if (target !== null && (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || target.closest("[role=dialog]") !== null)) return;
      event.preventDefault();
      rooms.place.value = within(within(rooms.place.peek(), pages) + (event.key === "PageDown" ? 1 : -1), pages);
    };
    addEventListener("keydown", down);
    return () => removeEventListener("keydown", down);
  }, [rooms, pages]);
}
