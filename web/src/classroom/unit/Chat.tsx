/** The adults' chat: a drawer at the side for the one who stands at the board, beside the picture rather than over it. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { t, timeOfDay } from "../../lib/i18n";
import { phrasesOf, phraseText, read } from "../../lib/phrases";
import { Button } from "../../ui/Button";
import type { ClassroomModel } from "../model";
import { unitOf } from "./model";

/** What the server takes. */
const MOST_LETTERS = 500;

export function Chat({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const unit = unitOf(model);
  const draft = useSignal("");
  const lines = unit.chat.value;
  const list = useRef<HTMLUListElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    // A field with the focus brings up the keyboard of a phone or a touch board, which covers the drawer.
    (matchMedia("(pointer: coarse)").matches ? box : field).current?.focus();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  useEffect(() => {
    if (list.current !== null) list.current.scrollTop = list.current.scrollHeight;
  }, [lines]);
  const send = (event: Event): void => {
    event.preventDefault();
    const text = draft.peek().trim();
    if (text !== "" && unit.say(text)) draft.value = "";
  };
  const close = (): void => {
    unit.sheet.value = "";
  };
  return (
    <div
      ref={box}
      class="unit-chat"
      tabIndex={-1}
      role="dialog"
      aria-label={t("unit.chat")}
      onKeyDown={(event) => event.key === "Escape" && close()}
      data-test="chat"
    >
      <div class="unit-sheet-head">
        <h2>{t("unit.chat")}</h2>
        <Button label={t("close")} icon="close" shape="icon-only" look="quiet" onPress={close} test="chat-close" />
      </div>
      {lines.length === 0 && <p class="unit-chat-none">{t("unit.chat.none")}</p>}
      {lines.length > 0 && (
        <ul ref={list} class="unit-chat-lines" aria-live="polite" tabIndex={0} aria-label={t("unit.chat")}>
          {lines.map((line) => (
            <li key={line.seq} class={line.by === unit.you.value ? "unit-line unit-line-own" : "unit-line"} data-test="line">
              <span class="unit-line-who">{`${line.name} · ${timeOfDay(line.at_ms)}`}</span>
              <span class="unit-line-text">{read(line.text)}</span>
            </li>
          ))}
        </ul>
      )}
      <div class="unit-phrases" role="group" aria-label={t("unit.chat.quick")}>
        {phrasesOf("classroom").map(({ code, words }) => (
          <Button key={code} label={words} onPress={() => unit.say(phraseText(code))} test={`phrase-${code}`} />
        ))}
      </div>
      <form class="unit-write" onSubmit={send}>
        <input
          ref={field}
          type="text"
          maxLength={MOST_LETTERS}
          autocomplete="off"
          placeholder={t("unit.chat.write")}
          aria-label={t("unit.chat.write")}
          value={draft.value}
          onInput={(event) => (draft.value = event.currentTarget.value)}
          data-test="chat-text"
        />
        <button type="submit" class="button button-primary" data-test="chat-send">
          {t("unit.chat.send")}
        </button>
      </form>
    </div>
  );
}
