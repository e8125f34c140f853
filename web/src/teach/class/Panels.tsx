/** The one panel of the classrooms that is open, over the corner of the stage. Has the keyboard while it is open, and gives
 * it back. */

import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { addTexts, t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { TeachModel } from "../model";
import { Ask } from "./Ask";
import { Chat } from "./Chat";
import { Hands } from "./Hands";
import { Minutes } from "./Minutes";
import type { PanelName } from "./model";

addTexts(import.meta.glob("../../lang/*/rooms.ts", { eager: true }));

export function Panels({ model }: { readonly model: TeachModel }): JSX.Element | null {
  const name = model.rooms.panel.value;
  return name === null ? null : <Panel key={name} name={name} model={model} />;
}

function Panel({ name, model }: { readonly name: PanelName; readonly model: TeachModel }): JSX.Element {
  const { rooms } = model;
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const first = box.current?.querySelector<HTMLElement>("[data-first] input, [data-first] button, input[data-first]");
    (first ?? box.current)?.focus();
    return () => {
      // Whoever pressed something else meanwhile is not pulled back.
      const now = document.activeElement;
      if (now === null || now === document.body) (before as HTMLElement | null)?.focus?.();
    };
  }, []);
  const close = (): void => {
    rooms.panel.value = null;
  };
  return (
    <div
      ref={box}
      class={`panel panel-${name}`}
      role="dialog"
      aria-labelledby="panel-title"
      tabIndex={-1}
      data-test={`panel-${name}`}
      onKeyDown={(event) => event.key === "Escape" && !event.isComposing && close()}
    >
      <div class="panel-head">
        <h2 id="panel-title">{t(`panel.${name}`)}</h2>
        <Button label={t("close")} icon="close" shape="icon-only" look="quiet" onPress={close} test="panel-close" />
      </div>
      {name === "hands" && <Hands model={model} />}
      {name === "ask" && <Ask rooms={rooms} polls={model.page.board.value.polls} />}
      {name === "timer" && <Minutes rooms={rooms} />}
      {name === "chat" && <Chat model={model} />}
    </div>
  );
}
