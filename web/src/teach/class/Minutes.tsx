/** A timer that all rooms see. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { clock, t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { RoomsModel } from "./model";

const CHOICES_S = [30, 60, 120, 300];
/** As long as the server takes. */
const MOST_MIN = 120;

export function Minutes({ rooms }: { readonly rooms: RoomsModel }): JSX.Element {
  const own = useSignal("");
  const left = rooms.left.value;
  const set = (seconds: number): void => {
    rooms.send({ type: "set_timer", seconds });
    if (seconds > 0) rooms.panel.value = null;
  };
  const minutes = Math.round(Number(own.value.replace(",", ".")) * 60);
  const valid = minutes > 0 && minutes <= MOST_MIN * 60;
  return (
    <div class="panel-body">
      <div class="minutes">
        {CHOICES_S.map((seconds, place) => (
          <span key={seconds} data-first={place === 0 ? true : undefined}>
            <Button
              label={seconds < 60 ? t("timer.seconds", { count: seconds }) : t("timer.minutes", { count: seconds / 60 })}
              onPress={() => set(seconds)}
              test={`timer-${seconds}`}
            />
          </span>
        ))}
      </div>
      <form
        class="minutes-own"
        onSubmit={(event) => {
          event.preventDefault();
          if (valid) set(minutes);
        }}
      >
        <label>
          <span class="field-label">{t("timer.own")}</span>
          <input
            type="text"
            inputMode="decimal"
            maxLength={4}
            value={own.value}
            onInput={(event) => (own.value = event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="button button-plain button-normal" disabled={!valid}>
          {t("timer.start")}
        </button>
      </form>
      {left !== null && (
        <div class="minutes-now">
          <strong>{left > 0 ? clock(Math.ceil(left)) : t("timer.over")}</strong>
          <Button label={t("timer.stop")} icon="stop" onPress={() => set(0)} test="timer-stop" />
        </div>
      )}
    </div>
  );
}
