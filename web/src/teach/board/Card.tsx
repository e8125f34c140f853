/** One material in the drawer. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Material } from "../../generated/messages";
import { ownerOf } from "../../lib/board";
import { clock, t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { StatusLine } from "../../ui/StatusLine";
import type { Desk } from "./desk";
import { problemText } from "./problem";
import { readiness, stateOf } from "./words";

export function Card({ desk, one }: { readonly desk: Desk; readonly one: Material }): JSX.Element {
  const open = useSignal(false);
  const asks = useSignal(false);
  const { stage, page, material } = desk.stage.value;
  const shown = (stage === "page" && ownerOf(page) === one.id) || (stage === "film" && material === one.id);
  const pages = desk.decks.pages(one.id);
  const said = stateOf(one);
  const ready = readiness(one, desk.prepared.value, desk.model.page.view.value?.participants ?? []);
  const working = one.state === "working";
  const failed = one.state === "failed";
  // A deck that is shown lies open: its pages are what is wanted now.
  const unfolded = pages.length > 1 && (open.value || shown);
  return (
    <li class={`card${shown ? " card-shown" : ""}`} data-test="material" data-id={one.id} data-state={one.state}>
      <div class="card-top">
        <Face desk={desk} one={one} />
        <div class="card-words">
          <p class="card-name">{one.name}</p>
          {failed && <StatusLine tone="lost" text={problemText(one.problem ?? "")} />}
          {said !== null && <p class="soft">{t(said.text, said.params)}</p>}
          {said === null && !failed && <p class="soft">{clock((one.duration_ms ?? 0) / 1000)}</p>}
          {ready !== null && <StatusLine tone={ready.tone} text={t(ready.text, ready.params)} class="card-ready" test="readiness" />}
        </div>
        {!asks.value && (
          <Button
            label={t("mat.remove.name", { name: one.name })}
            hint={t("mat.remove")}
            icon="close"
            look="quiet"
            shape="icon-only"
            class="card-remove"
            onPress={() => (asks.value = true)}
            test="remove"
          />
        )}
      </div>
      {working && <Progress part={(one.total ?? 0) === 0 ? 0 : (one.done ?? 0) / (one.total ?? 1)} label={t("mat.working")} />}
      {asks.value ? (
        <Remove desk={desk} one={one} onKeep={() => (asks.value = false)} />
      ) : (
        <Actions desk={desk} one={one} shown={shown} pages={pages.length} open={unfolded} onOpen={() => (open.value = !open.value)} />
      )}
      {unfolded && <Thumbs desk={desk} one={one} />}
    </li>
  );
}

/** What it looks like: its first page, or a sign for what is heard. */
function Face({ desk, one }: { readonly desk: Desk; readonly one: Material }): JSX.Element {
  const first = desk.decks.pages(one.id)[0];
  if (first !== undefined) return <img class="card-face" src={desk.decks.url(first.thumb, "webp")} alt="" />;
  return (
    <span class="card-face card-sign">
      <Icon name={one.kind === "deck" ? "slides" : one.kind === "song" ? "sound" : "play"} />
    </span>
  );
}

interface ActionsProps {
  readonly desk: Desk;
  readonly one: Material;
  readonly shown: boolean;
  readonly pages: number;
  readonly open: boolean;
  readonly onOpen: () => void;
}

/** Removing asks once, in the place of the buttons. */
function Remove({ desk, one, onKeep }: { readonly desk: Desk; readonly one: Material; readonly onKeep: () => void }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  // The safe answer has the focus, so that a stray Enter removes nothing.
  useEffect(() => box.current?.querySelector<HTMLButtonElement>("button:last-of-type")?.focus(), []);
  return (
    <div ref={box} class="card-actions card-asks" role="group" aria-label={t("mat.remove.ask")}>
      <span>{t("mat.remove.ask")}</span>
      <Button label={t("mat.remove")} look="danger" onPress={() => void desk.remove(one.id)} test="remove-yes" />
      <Button label={t("mat.keep")} onPress={onKeep} />
    </div>
  );
}

function Actions({ desk, one, shown, pages, open, onOpen }: ActionsProps): JSX.Element | null {
  const teaching = mayShow(desk);
  const player = desk.board.value.player;
  const plays = player?.material === one.id && player.playing;
  const shows = teaching && one.kind === "deck" && pages > 0 && !shown;
  const sounds = teaching && one.kind !== "deck" && one.state === "ready";
  const folds = pages > 1 && !shown;
  if (!shows && !sounds && !folds) return null;
  return (
    <div class="card-actions">
      {shows && <Button label={t("mat.show")} icon="screen" onPress={() => desk.showDeck(one.id)} test="show" />}
      {sounds && (
        <Button
          label={t(plays ? "player.pause" : "player.play")}
          icon={plays ? "pause" : "play"}
          onPress={() => (plays ? desk.play(one.id, false) : desk.start(one))}
          test="play"
        />
      )}
      {folds && (
        <Button label={t("mat.thumbs")} icon={open ? "fold" : "unfold"} look="quiet" expanded={open} onPress={onOpen} test="thumbs-open" />
      )}
    </div>
  );
}

/** This page may put things before all now. */
function mayShow(desk: Desk): boolean {
  return desk.model.joined.value && desk.model.page.lessonState.value === "live" && desk.leads.value;
}

function Thumbs({ desk, one }: { readonly desk: Desk; readonly one: Material }): JSX.Element {
  const teaching = mayShow(desk);
  const current = desk.stage.value.stage === "page" ? desk.stage.value.page : "";
  return (
    <ol class="thumbs" data-test="thumbs">
      {desk.decks.pages(one.id).map((page, n) => {
        const key = `${one.id}.${n + 1}`;
        const drawn = desk.board.value.pages.indexOf(key) >= 0;
        return (
          <li key={key}>
            <button
              type="button"
              class={`thumb${key === current ? " thumb-current" : ""}`}
              aria-current={key === current ? "page" : undefined}
              aria-label={t(drawn ? "mat.thumb.drawn" : "mat.thumb", { at: n + 1 })}
              disabled={!teaching}
              onClick={() => desk.showPage(key)}
              data-test="thumb"
            >
              <img src={desk.decks.url(page.thumb, "webp")} alt="" loading="lazy" />
              <span aria-hidden="true">
                {n + 1}
                {drawn && <Icon name="pencil" />}
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

export function Progress({ part, label }: { readonly part: number; readonly label: string }): JSX.Element {
  const percent = Math.round(Math.max(0, Math.min(1, part)) * 100);
  return (
    <div class="progress" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
      <div class="progress-fill" style={{ transform: `scaleX(${percent / 100})` }} />
    </div>
  );
}
