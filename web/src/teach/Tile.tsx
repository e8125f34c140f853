/** One classroom: its picture or initials, its name, what it receives in a sentence with colour and shape, call and mute. */

import { type Signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Participant } from "../generated/messages";
import { clock, t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Picture } from "../ui/Picture";
import { StatusLine } from "../ui/StatusLine";
import type { TeachModel } from "./model";
import { behind, callSentence, figuresOf, roomSentence, rungText } from "./words";

export interface TileProps {
  readonly model: TeachModel;
  readonly one: Participant;
  /** Its picture stands on the stage already. */
  readonly onStage: boolean;
}

export function Tile({ model, one, onStage }: TileProps): JSX.Element {
  const figures = useSignal(false);
  const sentence = roomSentence(one);
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
        <StatusLine tone={sentence.tone} text={t(sentence.text, sentence.params)} test="status" />
        {call !== null && <StatusLine tone={call.tone} text={t(call.text)} class="tile-call-state" />}
      </div>
      {(behind(one) || (figures.value && one.online)) && (
        <div class="tile-extra">
          {behind(one) && (
            <Button
              label={t("tile.jump")}
              hint={t("tile.jump.name", { name: one.name })}
              icon="play"
              class="tile-jump"
              onPress={() => model.jumpToLive(one.id)}
              test="jump"
            />
          )}
          {figures.value && one.online && <FigureList one={one} />}
        </div>
      )}
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
  const { kbps, linkKbps, rung } = figuresOf(one);
  if (kbps === null && linkKbps === null && rung === "") return null;
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

/** What is known of a room's line; what is not known is left out. */
function FigureList({ one }: { readonly one: Participant }): JSX.Element {
  const { rung, linkKbps, linkLossPercent, kbps, lossPercent, delayMs, behindS, usedMb } = figuresOf(one);
  const level = rungText(rung);
  const rate = (value: number): string => t("figure.kbps", { kbps: Math.round(value) });
  const loss = linkLossPercent ?? lossPercent;
  const rows: (readonly [string, string | null])[] = [
    [t("figure.rung"), level === null ? null : t(level)],
    [t("figure.link"), linkKbps === null ? null : rate(linkKbps)],
    [t("figure.receives"), kbps === null ? null : rate(kbps)],
    [t("figure.loss"), loss === null ? null : t("figure.percent", { percent: loss })],
    [t("figure.delay"), delayMs === null ? null : t("figure.seconds", { seconds: Math.round(delayMs / 100) / 10 })],
    [t("figure.behind"), behindS === null || !behind(one) ? null : clock(behindS)],
    [t("figure.used"), usedMb === null ? null : t("figure.mb", { mb: usedMb < 10 ? Math.round(usedMb * 10) / 10 : Math.round(usedMb) })],
  ];
  return (
    <dl class="tile-figures" data-test="figures">
      {rows.map(
        ([name, value]) =>
          value !== null && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
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
