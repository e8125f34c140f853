/** What lies over or beside the lesson's picture: the question, the timer, whom chance has chosen, and the sheets. */

import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { clock, t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { ClassroomModel } from "../model";
import { Chat } from "./Chat";
import { Glyph, type GlyphName } from "./glyphs";
import { type GivenSign, SIGNS, unitOf } from "./model";
import { timerLook } from "./moments";
import { Question } from "./Question";
import { useKeys } from "./Tools";
import { useServerNow } from "./ticking";

export function Stage({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const unit = unitOf(model);
  useKeys(model);
  const poll = unit.aside.value ? null : unit.asked.value;
  const mark = useRef<HTMLDivElement>(null);
  const asked = poll !== null;
  // The picture makes room for the question. An attribute, as the classes of that element are another's.
  useEffect(() => {
    const live = mark.current?.closest<HTMLElement>(".live");
    if (live === null || live === undefined) return undefined;
    if (asked) live.dataset["asked"] = "yes";
    return () => delete live.dataset["asked"];
  }, [asked]);
  return (
    <div ref={mark} class="unit">
      {poll !== null && <Question key={poll.poll} model={model} poll={poll} />}
      <Timer model={model} />
      <Picked model={model} />
      {unit.sheet.value === "signs" && <Signs model={model} />}
      {unit.sheet.value === "chat" && <Chat model={model} />}
    </div>
  );
}

function Timer({ model }: { readonly model: ClassroomModel }): JSX.Element | null {
  const { timer } = unitOf(model);
  const now = useServerNow(model, timer.value !== null);
  const look = timerLook(timer.value, now);
  if (look.state === "off") return null;
  return (
    <p class={`unit-timer unit-timer-${look.state}`} role="timer" aria-label={t("unit.timer")} data-test="timer" data-state={look.state}>
      {look.state === "up" ? t("unit.timer.up") : clock(look.leftS)}
    </p>
  );
}

function Picked({ model }: { readonly model: ClassroomModel }): JSX.Element | null {
  const picked = unitOf(model).picked.value;
  return (
    <div role="status">
      {picked !== null && (
        <p class={picked.us ? "unit-picked unit-picked-us" : "unit-picked"} data-test="picked" data-us={picked.us}>
          {t(picked.us ? "unit.pick.us" : "unit.pick.other", { name: picked.name })}
        </p>
      )}
    </div>
  );
}

const GLYPHS: Readonly<Record<GivenSign, GlyphName>> = { cannot_hear: "ear", cannot_see: "eye", slower: "slower", again: "again" };

function Signs({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const unit = unitOf(model);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.focus();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  const given = unit.sign.value?.sign ?? "";
  return (
    <div ref={box} class="unit-sheet" role="dialog" aria-label={t("unit.signs")} tabIndex={-1} data-test="signs">
      <div class="unit-sheet-head">
        <h2>{t("unit.signs")}</h2>
        <Button label={t("close")} icon="close" shape="icon-only" look="quiet" onPress={() => unit.open("")} />
      </div>
      <div class="unit-signs">
        {SIGNS.map((sign, n) => (
          <button
            key={sign}
            type="button"
            class="button unit-sign"
            aria-pressed={given === sign}
            title={String(n + 1)}
            onClick={() => {
              unit.give(given === sign ? "" : sign);
              unit.sheet.value = "";
            }}
            data-test={`sign-${sign}`}
          >
            <Glyph name={GLYPHS[sign]} />
            <span>{t(`unit.sign.${sign}`)}</span>
          </button>
        ))}
      </div>
      <button type="button" class="button button-quiet" title="C" onClick={() => unit.open("chat")} data-test="chat-open">
        <Glyph name="message" />
        <span class="button-text">{t("unit.chat")}</span>
      </button>
    </div>
  );
}
