/** Plays the lesson's song or film for all: play, pause, seek. Where it stands is reckoned from the lesson's player, so that all
 * who look see the same. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { clock, t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import type { Desk } from "./desk";

const LOOK_EVERY_MS = 250;

export function PlayerStrip({ desk }: { readonly desk: Desk }): JSX.Element | null {
  const player = desk.player.value;
  const positionS = usePosition(desk, player?.playing === true);
  /** While the knob is held. */
  const draggedS = useSignal<number | null>(null);
  const material = player === null ? null : desk.material(player.material);
  if (player === null || material === null) return null;
  const lengthS = (material.duration_ms ?? 0) / 1000;
  const atS = Math.min(draggedS.value ?? positionS, lengthS);
  const playing = player.playing && (atS < lengthS || draggedS.value !== null);
  const { sounding } = desk;
  const press = (): void => {
    if (playing) desk.play(material.id, false);
    else desk.start(material);
  };
  const seek = (toS: number): void => {
    draggedS.value = null;
    desk.play(material.id, playing, toS);
  };
  return (
    <section class="player" aria-label={t("player.name", { name: material.name })} data-test="player" data-playing={playing}>
      <div class="player-row">
        <Button
          label={t(playing ? "player.pause" : "player.play")}
          icon={playing ? "pause" : "play"}
          look="primary"
          shape="icon-only"
          disabled={!desk.leads.value}
          onPress={press}
          test="player-press"
        />
        <div class="player-middle">
          <p class="player-name">{material.name}</p>
          <input
            class="player-seek"
            type="range"
            disabled={!desk.leads.value}
            min={0}
            max={Math.max(1, Math.round(lengthS * 10))}
            value={Math.round(atS * 10)}
            aria-label={t("player.seek")}
            aria-valuetext={t("player.at", { at: clock(atS), of: clock(lengthS) })}
            onInput={(event) => (draggedS.value = Number(event.currentTarget.value) / 10)}
            onChange={(event) => seek(Number(event.currentTarget.value) / 10)}
            data-test="player-seek"
          />
        </div>
        <span class="player-clock" aria-hidden="true">
          {clock(atS)} / {clock(lengthS)}
        </span>
        <Button
          label={t(sounding.silent.value ? "player.sound.off" : "player.sound.on")}
          icon={sounding.silent.value ? "sound-off" : "sound"}
          look="quiet"
          shape="icon-only"
          pressed={!sounding.silent.value}
          onPress={() => sounding.setSilent(!sounding.silent.peek())}
          test="player-silent"
        />
        <Button label={t("player.close")} icon="close" look="quiet" shape="icon-only" disabled={!desk.leads.value} onPress={() => desk.closePlayer()} test="player-close" />
      </div>
      {sounding.refused.value && <Button label={t("player.refused")} icon="sound" onPress={() => sounding.unlock()} />}
      {desk.mayEcho.value && !desk.echoKnown.value && (
        <p class="player-echo" role="status" data-test="echo">
          <Icon name="note" />
          <span>{t("player.echo")}</span>
          <Button label={t("player.echo.mute")} onPress={() => desk.model.toggleMicrophone()} />
          <Button label={t("mat.dismiss")} look="quiet" onPress={() => (desk.echoKnown.value = true)} />
        </p>
      )}
    </section>
  );
}

function usePosition(desk: Desk, playing: boolean): number {
  const at = useSignal(desk.positionS());
  const player = desk.player.value;
  useEffect(() => {
    at.value = desk.positionS();
    if (!playing) return undefined;
    const timer = setInterval(() => (at.value = desk.positionS()), LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [player, playing]);
  return at.value;
}
