/** What stands over the stage for a moment: the timer, and the classroom that chance chose. */

import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { clock, t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import type { RoomsModel } from "./model";

export function OnStage({ rooms }: { readonly rooms: RoomsModel }): JSX.Element {
  return (
    <>
      <Countdown rooms={rooms} />
      <Chosen rooms={rooms} />
    </>
  );
}

function Countdown({ rooms }: { readonly rooms: RoomsModel }): JSX.Element | null {
  const left = rooms.left.value;
  if (left === null) return null;
  const over = left <= 0;
  return (
    <p class={`countdown${over ? " countdown-over" : ""}`} role="timer" data-test="countdown">
      <Icon name="wait" />
      {over ? t("timer.over") : clock(Math.ceil(left))}
    </p>
  );
}

function Chosen({ rooms }: { readonly rooms: RoomsModel }): JSX.Element | null {
  const id = rooms.picked.value;
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Whoever writes just now, as when another volunteer drew, keeps the keys.
    const typing = document.activeElement !== null && /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (id !== "" && !typing) box.current?.querySelector<HTMLButtonElement>("[data-first] button")?.focus();
  }, [id]);
  const one = rooms.classrooms.value.find((room) => room.id === id);
  if (id === "" || one === undefined) return null;
  const close = (): void => {
    rooms.picked.value = "";
  };
  return (
    <div
      ref={box}
      class="chosen"
      role="dialog"
      aria-labelledby="chosen-name"
      data-test="picked"
      onKeyDown={(event) => event.key === "Escape" && close()}
    >
      <p class="chosen-lead">{t("pick.lead")}</p>
      <p class="chosen-name" id="chosen-name">
        {one.name}
      </p>
      <div class="chosen-actions">
        <span data-first>
          {one.called ? (
            <Button label={t("close")} look="primary" shape="large" onPress={close} />
          ) : (
            <Button
              label={t("tile.call")}
              hint={t("tile.call.name", { name: one.name })}
              icon="call"
              look="primary"
              shape="large"
              disabled={!one.online}
              onPress={() => rooms.call(id)}
              test="call-picked"
            />
          )}
        </span>
        <Button label={t("pick.again")} icon="chance" shape="large" onPress={() => rooms.send({ type: "pick" })} />
        {!one.called && <Button label={t("close")} look="quiet" shape="large" onPress={close} />}
      </div>
    </div>
  );
}
