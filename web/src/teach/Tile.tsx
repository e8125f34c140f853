/** One classroom: its picture or initials, its name, what it receives in a sentence with colour and shape, call and mute. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Participant } from "../generated/messages";
import { clock, t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Picture } from "../ui/Picture";
import { StatusLine } from "../ui/StatusLine";
import { signText } from "./class/signs";
import type { TeachModel } from "./model";
import { behind, callSentence, figuresOf, roomSentence, rungText } from "./words";

export interface TileProps {
  readonly model: TeachModel;
  readonly one: Participant;
  /** Its picture stands on the stage already. */
  readonly onStage: boolean;
  /** Two lines, as many classrooms are to be seen at once. */
  readonly compact?: boolean;
}

export function Tile({ model, one, onStage, compact = false }: TileProps): JSX.Element {
  const { rooms } = model;
  const more = useSignal(false);
  const sentence = roomSentence(one);
  const call = callSentence(one);
  const board = model.page.board.value;
  const draws = board.drawing.indexOf(one.id) >= 0;
  const heads = rooms.heads(one.id);
  const ready = rooms.ready(one.id);
  const asks = [...board.hands, ...board.signs].some((up) => up.participant === one.id);
  const small = compact && !one.called && !more.value;
  return (
    <li
      class={`tile tile-${sentence.tone}${one.called ? " tile-called" : ""}${compact ? " tile-compact" : ""}${asks ? " tile-asking" : ""}`}
      data-test="tile"
      data-participant={one.id}
    >
      <Face model={model} one={one} live={!onStage} />
      <div class="tile-name">
        <h2 title={one.name}>{one.name}</h2>
        {heads > 0 && <span class="tile-heads">{t("tile.heads", { count: heads })}</span>}
        {one.online && (
          <button
            type="button"
            class="figures"
            aria-expanded={more.value}
            aria-label={t("tile.more", { name: one.name })}
            onClick={() => {
              more.value = !more.value;
            }}
          >
            <Icon name="more" />
          </button>
        )}
      </div>
      <div class="tile-words">
        <StatusLine tone={sentence.tone} text={t(sentence.text, sentence.params)} test="status" />
        {call !== null && <StatusLine tone={call.tone} text={t(call.text)} class="tile-call-state" />}
      </div>
      <Asks model={model} one={one} />
      {((!small && (ready !== null || draws)) || behind(one) || more.value) && (
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
          {!small && ready !== null && (
            <span class="tile-ready" data-test="ready">
              {t("tile.ready", { have: ready.have, total: ready.total })}
            </span>
          )}
          {(draws || more.value) && rooms.leads.value && (
            <Button
              label={t(draws ? "tile.draws" : "tile.draw")}
              hint={t(draws ? "tile.draws.name" : "tile.draw.name", { name: one.name })}
              icon="pencil"
              class={`tile-draw${draws ? " tile-draws" : ""}`}
              pressed={draws}
              onPress={() => rooms.send({ type: "let_draw", participant: one.id, may: !draws })}
              test="let-draw"
            />
          )}
          {more.value && one.online && <FigureList one={one} />}
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

interface FaceProps {
  readonly model: TeachModel;
  readonly one: Participant;
  readonly live: boolean;
}

/** The live picture of a classroom that was called on, else its thumbnail while it is fresh, else its initials. */
function Face({ model, one, live }: FaceProps): JSX.Element {
  const stream = live && one.called ? model.streamOf({ participant: one.id, kind: "camera" }) : null;
  if (stream !== null) {
    return (
      <div class="tile-picture">
        <Picture stream={stream} label={one.name} />
      </div>
    );
  }
  const still = model.rooms.still(one.id);
  const fresh = still !== null && still.fresh && one.online;
  if (still === null) return <Initials name={one.name} />;
  return (
    <div class={`tile-still${fresh ? " tile-still-fresh" : ""}`} data-test="thumbnail" data-fresh={fresh}>
      <Initials name={one.name} />
      <img src={still.url} alt="" />
    </div>
  );
}

function Initials({ name }: { readonly name: string }): JSX.Element {
  return (
    <span class="initials" aria-hidden="true">
      {initials(name)}
    </span>
  );
}

/** What the room asks for: its hand and its sign. One press says that it was answered. */
function Asks({ model, one }: { readonly model: TeachModel; readonly one: Participant }): JSX.Element | null {
  const { rooms } = model;
  const { hands, signs } = model.page.board.value;
  const hand = hands.find((up) => up.participant === one.id);
  const sign = signs.find((up) => up.participant === one.id)?.sign ?? "";
  if (hand === undefined && sign === "") return null;
  return (
    <div class="tile-asks">
      {hand !== undefined && (
        <button
          type="button"
          class="ask-chip ask-hand"
          title={t("hands.answered.name", { name: one.name })}
          onClick={() => rooms.lower(one.id)}
          data-test="hand"
        >
          <Icon name="hand" />
          <span class="ask-words">{t("tile.hand")}</span>
          <span class="ask-time">{clock(rooms.sinceS(hand.at_ms))}</span>
        </button>
      )}
      {sign !== "" && (
        <button
          type="button"
          class="ask-chip ask-sign"
          title={t("signs.seen.name", { name: one.name })}
          onClick={() => rooms.lower(one.id)}
          data-test="sign"
        >
          <Icon name="weak" />
          <span class="ask-words">{t(signText(sign))}</span>
        </button>
      )}
    </div>
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
