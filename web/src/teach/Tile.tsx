/** One classroom: its picture or initials, its name, what it receives in a sentence with colour and shape, call and mute. */

import { type Signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Participant } from "../generated/messages";
import { t } from "../lib/i18n";
import { receivingOf } from "../lib/lesson-view";
import { callSentence, tileSentence } from "../lib/words";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Picture } from "../ui/Picture";
import { StatusLine } from "../ui/StatusLine";
import type { TeachModel } from "./model";

export interface TileProps {
  readonly model: TeachModel;
  readonly one: Participant;
  /** Its picture stands on the stage already. */
  readonly onStage: boolean;
}

export function Tile({ model, one, onStage }: TileProps): JSX.Element {
  const figures = useSignal(false);
  const sentence = tileSentence(one, true);
  const call = callSentence(one);
  const stream = onStage ? null : model.streamOf({ participant: one.id, kind: "camera" });
  return (
    <li
      class={`tile tile-${sentence.tone}${one.called ? " tile-called" : ""}`}
      data-test="tile"
      data-participant={one.id}
    >
      {stream !== null && one.called ? (
        <div class="tile-picture">
          <Picture stream={stream} label={one.name} />
        </div>
      ) : (
        <span class="initials" aria-hidden="true">
          {initials(one.name)}
        </span>
      )}
      <div class="tile-name">
        <h2>{one.name}</h2>
        {one.online && <FiguresButton one={one} open={figures} />}
      </div>
      <div class="tile-words">
        <StatusLine tone={sentence.tone} text={t(sentence.text)} test="status" />
        {call !== null && <StatusLine tone={call.tone} text={t(call.text)} class="tile-call-state" />}
        {figures.value && one.online && <p class="soft">{figuresOf(one)}</p>}
      </div>
      <div class="tile-actions">
        {one.called ? (
          <>
            <Button
              label={t("tile.endcall")}
              hint={t("tile.endcall.name", { name: one.name })}
              icon="end-call"
              onPress={() => model.endCall(one.id)}
              test="end-call"
            />
            <Button
              label={t(one.muted ? "tile.unmute" : "tile.mute")}
              hint={t(one.muted ? "tile.unmute.name" : "tile.mute.name", { name: one.name })}
              icon={one.muted ? "microphone-off" : "microphone"}
              pressed={one.muted}
              onPress={() => model.mute(one.id, !one.muted)}
              test="mute"
            />
          </>
        ) : (
          <Button
            label={t("tile.call")}
            hint={t("tile.call.name", { name: one.name })}
            icon="call"
            disabled={!one.online}
            onPress={() => model.call(one.id)}
            test="call"
          />
        )}
      </div>
    </li>
  );
}

/** The figures are one press deeper. */
function FiguresButton({ one, open }: { readonly one: Participant; readonly open: Signal<boolean> }): JSX.Element | null {
  if (receivingOf(one).kbps === null) return null;
  return (
    <button
      type="button"
      class="figures"
      aria-expanded={open.value}
      aria-label={t("tile.figures.name")}
      onClick={() => {
        open.value = !open.value;
      }}
    >
      <Icon name="more" />
    </button>
  );
}

function figuresOf(one: Participant): string {
  const { delay_ms, kbps, loss_percent } = receivingOf(one);
  return t("tile.figures", { delay: delay_ms ?? "-", kbps: kbps ?? "-", loss: loss_percent ?? "-" });
}

/** One or two signs that stand for a name: 三二班 gives 三, Class 3-2 gives C3. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter((word) => word !== "");
  const first = (word: string | undefined): string => Array.from(word ?? "")[0] ?? "";
  const one = first(words[0]);
  if (/[\u3000-\u9fff]/.test(one)) {
    const digits = /\d+/.exec(name);
    return one + (digits === null ? "" : digits[0].slice(0, 2));
  }
  return (one + first(words[1])).toUpperCase();
}
