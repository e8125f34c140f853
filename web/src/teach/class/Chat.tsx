/** The adults' chat: the volunteers and the local teachers. Phrases arrive in the reader's language. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { t, timeOfDay } from "../../lib/i18n";
import { phrasesOf, phraseText, read } from "../../lib/phrases";
import type { TeachModel } from "../model";

/** As the server takes it. */
const MOST_LETTERS = 500;

export function Chat({ model }: { readonly model: TeachModel }): JSX.Element {
  const { rooms } = model;
  const text = useSignal("");
  const list = useRef<HTMLDivElement>(null);
  const chat = model.page.board.value.chat;
  const newest = chat[chat.length - 1]?.seq ?? 0;
  useEffect(() => {
    if (list.current !== null) list.current.scrollTop = list.current.scrollHeight;
  }, [newest]);
  const send = (): void => {
    if (rooms.say(text.value)) text.value = "";
  };
  const you = model.page.view.value?.you;
  return (
    <>
      <div ref={list} class="panel-body chat" role="log" aria-label={t("panel.chat")} tabIndex={0}>
        {chat.length === 0 && <p class="soft panel-none">{t("chat.none")}</p>}
        {chat.map((line) => (
          <p key={line.seq} class={`line${line.by === you ? " line-own" : ""}`} data-test="line">
            <span class="line-who">
              {line.by === you ? t("teach.you") : line.name} · {timeOfDay(line.at_ms)}
            </span>
            <span class="line-text">{read(line.text)}</span>
          </p>
        ))}
      </div>
      <div class="phrases" role="group" aria-label={t("chat.phrases")}>
        {phrasesOf("teacher").map(({ code, words }) => (
          <button key={code} type="button" class="phrase" onClick={() => rooms.say(phraseText(code))}>
            {words}
          </button>
        ))}
      </div>
      <form
        class="panel-foot chat-form"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <input
          data-first
          type="text"
          maxLength={MOST_LETTERS}
          aria-label={t("chat.write")}
          placeholder={t("chat.write")}
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
          data-test="chat-text"
        />
        <button type="submit" class="button button-primary button-normal" disabled={text.value.trim() === ""} data-test="chat-send">
          {t("chat.send")}
        </button>
      </form>
    </>
  );
}
