/** The stage while a page or a film stands on it, and the button that makes a page of the live picture. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { heldOf, inksOf, Surface, Tools } from "../../board/index";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { StatusLine } from "../../ui/StatusLine";
import type { Desk, Sheet } from "./desk";
import { SourceButton } from "./DocumentCamera";

export function BoardStage({ desk }: { readonly desk: Desk }): JSX.Element {
  return (
    <div class="stage board-stage" data-theme="stage" data-test="stage" aria-label={t("stage")} role="region">
      <div class="board-stage-room">{desk.stage.value.stage === "film" ? <Film desk={desk} /> : <Page desk={desk} />}</div>
    </div>
  );
}

function Page({ desk }: { readonly desk: Desk }): JSX.Element {
  const last = useRef<Sheet | null>(null);
  const wanted = desk.sheet.value;
  // A slide whose pictures are not known yet would be white: the one before stays until they are.
  if (wanted !== null && (wanted.blank || wanted.backgrounds.length > 0)) last.current = wanted;
  const sheet = last.current;
  if (sheet === null || wanted === null) return <p class="stage-empty">{t("stage.slide.coming")}</p>;
  const { at, of, key, blank } = sheet;
  return (
    <div class="board-desk">
      <Tools
        choice={desk.choice.value}
        onChoice={(choice) => (desk.choice.value = choice)}
        onCommand={(what) => desk.command(what)}
        follows={!desk.leads.value}
        pages={{ at: wanted.at, of: wanted.of, onTurn: (to) => desk.turn(to), onNew: blank ? () => desk.newBoard() : undefined }}
      />
      <Surface
        page={key}
        aspect={sheet.aspect}
        backgrounds={sheet.backgrounds}
        strokes={inksOf(desk.strokes.pages.value, key)}
        pointer={desk.strokes.pointer.value}
        label={t("stage.page", { name: sheet.name, at, of })}
        held={heldOf(desk.choice.value)}
        onDraw={(message) => desk.draw(message)}
        epoch={desk.strokes.epoch.value}
      />
    </div>
  );
}

/** The one element that plays, moved here. */
function Film({ desk }: { readonly desk: Desk }): JSX.Element {
  const room = useRef<HTMLDivElement>(null);
  const element = desk.sounding.element.value;
  const name = desk.material(desk.stage.value.material)?.name ?? "";
  useEffect(() => {
    if (element === null || room.current === null) return undefined;
    element.setAttribute("aria-label", name);
    room.current.appendChild(element);
    desk.sounding.unlock();
    return () => element.remove();
  }, [element, name]);
  return (
    <div class="board-film-room" ref={room}>
      {element === null && <p class="stage-empty">{t("stage.film.coming")}</p>}
    </div>
  );
}

/** On the corner of the own picture: stop it, to draw on it. */
export function FreezeButton({ desk }: { readonly desk: Desk }): JSX.Element | null {
  const { model } = desk;
  const main = model.stage.value.main;
  if (main === null || main.participant !== model.page.view.value?.you || !desk.leads.value) return null;
  if (main.kind === "screen" && !model.document.value) return null;
  const state = desk.freezing.value;
  return (
    <div class="board-freeze">
      <Button
        label={t(state === "working" ? "freeze.working" : "freeze.now")}
        hint={t("freeze.hint")}
        icon="pencil"
        disabled={state === "working"}
        onPress={() => void desk.freeze()}
        test="freeze"
      />
      <SourceButton desk={desk} />
      {state === "failed" && <StatusLine tone="weak" text={t("freeze.failed")} />}
    </div>
  );
}
