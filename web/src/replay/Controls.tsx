/** The bar under the stage: seek bar, play, time, volume, speed, full screen. */

import type { JSX } from "preact";
import { clock, t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Timeline } from "./Timeline";
import type { Controller } from "./controller";
import type { Fullscreen } from "./fullscreen";
import type { OpenBook } from "./load";
import { SPEEDS } from "./memory";
import type { Moment } from "./model";

export interface ControlsProps {
  readonly controller: Controller;
  readonly moments: readonly Moment[];
  readonly fullscreen: Fullscreen;
  readonly open: OpenBook | null;
  /** Whether what stands beside the stage is put away; null where it cannot be. */
  readonly folded: boolean | null;
  readonly onFold: () => void;
}

export function Controls({ controller, moments, fullscreen, open, folded, onFold }: ControlsProps): JSX.Element {
  const playing = controller.playing.value;
  return (
    <div class="replay-controls" role="group" aria-label={t("replay.controls")}>
      <Timeline controller={controller} moments={moments} open={open} />
      <div class="replay-bar">
        <Button
          label={t(playing ? "replay.pause" : "replay.play")}
          icon={playing ? "pause" : "play"}
          shape="icon-only"
          look="primary"
          hint={t(playing ? "replay.pause.hint" : "replay.play.hint")}
          onPress={() => controller.toggle()}
          class="replay-toggle"
          test="play"
        />
        <Button label={t("replay.back")} shape="icon-only" look="quiet" onPress={() => controller.skip(-10)} test="back">
          <span aria-hidden="true">−10</span>
        </Button>
        <Button
          label={t("replay.forward")}
          shape="icon-only"
          look="quiet"
          onPress={() => controller.skip(10)}
          test="forward"
        >
          <span aria-hidden="true">+10</span>
        </Button>
        <Time controller={controller} />
        <Live controller={controller} />
        <span class="replay-space" />
        <Volume controller={controller} />
        <Speed controller={controller} />
        <Light controller={controller} />
        {folded !== null && (
          <Button
            label={t("replay.fold")}
            look="quiet"
            pressed={!folded}
            hint={t(folded ? "replay.fold.open" : "replay.fold.close")}
            onPress={onFold}
            class="replay-fold"
            test="fold"
          />
        )}
        <Button
          label={t(fullscreen.on ? "replay.full.exit" : "replay.full")}
          icon={fullscreen.on ? "fullscreen-exit" : "fullscreen"}
          shape="icon-only"
          look="quiet"
          onPress={fullscreen.toggle}
          test="fullscreen"
        />
      </div>
    </div>
  );
}

function Time({ controller }: { controller: Controller }): JSX.Element {
  return (
    <span class="replay-time" data-test="time">
      {clock(controller.position_s.value)} <span class="replay-of">/ {clock(controller.end_s.value)}</span>
    </span>
  );
}

/** While the lesson runs: that the viewer is at its newest second, or the way there. */
function Live({ controller }: { controller: Controller }): JSX.Element | null {
  if (!controller.live) return null;
  const atEdge = controller.atLiveEdge && controller.playing.value;
  return (
    <span class="replay-at-live">
      {atEdge ? (
        <span class="replay-live" data-test="live">
          <span class="replay-dot" />
          {t("replay.live")}
        </span>
      ) : (
        <Button label={t("replay.live.go")} onPress={() => controller.toLive()} test="go-live" />
      )}
    </span>
  );
}

function Volume({ controller }: { controller: Controller }): JSX.Element {
  const silent = controller.muted.value;
  return (
    <span class="replay-volume">
      <Button
        label={t(silent ? "replay.unmute" : "replay.mute")}
        icon={silent ? "sound-off" : "sound"}
        shape="icon-only"
        look="quiet"
        onPress={() => controller.toggleMute()}
        test="mute"
      />
      <input
        type="range"
        min="0"
        max="1"
        step="0.05"
        aria-label={t("volume")}
        value={silent ? 0 : controller.volume.value}
        onInput={(event) => controller.setVolume(Number(event.currentTarget.value))}
      />
    </span>
  );
}

/** For who pays by the megabyte: sound, slides and strokes without the film. */
function Light({ controller }: { controller: Controller }): JSX.Element | null {
  if (controller.replay.value.light === null) return null;
  const light = controller.light.value;
  return (
    <Button
      label={t("replay.light")}
      look="quiet"
      pressed={light}
      hint={t("replay.light.hint")}
      onPress={() => controller.setLight(!light)}
      class="replay-light"
      test="light"
    />
  );
}

function Speed({ controller }: { controller: Controller }): JSX.Element {
  const speeds = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
  return (
    <label class="replay-speed">
      <span class="visually-hidden">{t("replay.speed")}</span>
      <select
        data-test="speed"
        title={t("replay.speed.hint")}
        value={String(controller.speed.value)}
        onChange={(event) => controller.setSpeed(Number(event.currentTarget.value))}
      >
        {SPEEDS.map((speed) => (
          <option key={speed} value={String(speed)}>
            {t("replay.speed.times", { speed: speeds.format(speed) })}
          </option>
        ))}
      </select>
    </label>
  );
}
