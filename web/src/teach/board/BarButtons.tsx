/** Slides and Board on the bar of tools, and their keys. */

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { Desk } from "./desk";

export function BarButtons({ desk }: { readonly desk: Desk }): JSX.Element {
  useKeys(desk);
  const blank = desk.sheet.value?.blank === true;
  const open = desk.drawerOpen.value;
  return (
    <>
      <Button
        label={t("bar.slides")}
        hint={t("bar.slides.hint")}
        icon="slides"
        shape="stacked"
        class={desk.sheet.value !== null && !blank ? "bar-active" : ""}
        expanded={open}
        onPress={() => (desk.drawerOpen.value = !open)}
        test="slides"
      />
      <Button
        label={t("bar.board")}
        hint={t(!desk.leads.value ? "error.lead_only" : blank ? "bar.board.hint.back" : "bar.board.hint")}
        icon="pencil"
        shape="stacked"
        class={blank ? "bar-active" : ""}
        pressed={blank}
        disabled={!desk.leads.value}
        onPress={() => desk.toggleBoard()}
        test="board"
      />
    </>
  );
}

/** B: board; D: materials; K: mark; F: freeze. The palette and the microphone have other letters. */
function useKeys(desk: Desk): void {
  useEffect(() => {
    const down = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented || elsewhere(event.target)) return;
      const act = ACTS[event.key.toLowerCase()];
      if (act === undefined) return;
      event.preventDefault();
      act(desk);
    };
    addEventListener("keydown", down);
    return () => removeEventListener("keydown", down);
  }, [desk]);
}

const ACTS: Readonly<Record<string, (desk: Desk) => void>> = {
  b: (desk) => desk.toggleBoard(),
  d: (desk) => (desk.drawerOpen.value = !desk.drawerOpen.peek()),
  k: (desk) => desk.mark(),
  f: (desk) => {
    if (desk.stage.peek().stage === "live") void desk.freeze();
  },
};

function elsewhere(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || target.closest("[role=dialog]") !== null;
}
