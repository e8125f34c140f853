/** Stage, controls and moments of one replay. The elements of main picture and clips stay where they are in the document
 * for as long as they play: only their places on the stage change. */

import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { PageLink, Replay } from "../lib/api";
import { clock, t } from "../lib/i18n";
import { recall, remember } from "../lib/storage";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { StatusLine } from "../ui/StatusLine";
import { Controls } from "./Controls";
import { Moments } from "./Moments";
import { type Clip, Controller } from "./controller";
import { useFullscreen } from "./fullscreen";
import { type Action, actionOf } from "./keyboard";
import { type OpenBook, useBook } from "./load";
import { momentsOf, onStage } from "./model";

/** In full screen the controls go away after this long without a touch. */
const IDLE_MS = 3000;

export interface PlayerProps {
  readonly replay: Replay;
  readonly link: PageLink;
  /** Ask the API again, for fresh URLs. */
  readonly renew: () => Promise<Replay | null>;
}

export function Player({ replay, link, renew }: PlayerProps): JSX.Element {
  // One controller for as long as this lesson is shown; later answers reach it through `update`.
  const controller = useMemo(() => new Controller(replay, renew), [replay.lesson.id]);
  useEffect(() => controller.update(replay), [controller, replay]);
  useEffect(() => {
    const leave = (): void => controller.keepPlace();
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      controller.close();
    };
  }, [controller]);

  const frame = useRef<HTMLDivElement>(null);
  const fullscreen = useFullscreen(frame, () => frame.current?.querySelector("video") ?? null);
  useKeys(controller, fullscreen.toggle);
  const idle = useIdle(frame, fullscreen.on && controller.playing.value);
  const moments = useMemo(() => momentsOf(replay), [replay]);
  const open = useBook(controller, link);
  // Where the server keeps no timeline, there is nothing to list but what the recording itself knows.
  const without = open !== null && open.book.state.value === "none";
  // What is listed comes a moment later: its column is kept free from the start, so that the picture stays put.
  const plain = without && moments.length === 0 && replay.lesson.state !== "live";
  const [folded, setFolded] = useState(() => recall("replay.folded") === "on");
  const fold = (): void => {
    remember("replay.folded", folded ? "" : "on");
    setFolded(!folded);
  };
  const classes = `replay-player${fullscreen.on ? " is-full" : ""}${idle ? " is-idle" : ""}`;
  return (
    <main class={`replay-main${plain ? " is-plain" : ""}${folded ? " is-folded" : ""}`}>
      <div class={classes} ref={frame} data-theme={fullscreen.on ? "stage" : undefined}>
        <Stage controller={controller} open={open} onDoublePress={fullscreen.toggle} />
        <Controls
          controller={controller}
          moments={moments}
          fullscreen={fullscreen}
          open={open}
          folded={plain || fullscreen.on ? null : folded}
          onFold={fold}
        />
      </div>
      <aside class="replay-aside">
        {open !== null && !without && <open.ui.Panel book={open.book} />}
        {without && moments.length > 0 && <Moments moments={moments} controller={controller} />}
        <Notice replay={replay} />
      </aside>
    </main>
  );
}

interface StageProps {
  readonly controller: Controller;
  readonly open: OpenBook | null;
  readonly onDoublePress: () => void;
}

/** What has the stage, beside the id of a clip: a page or film of the board, or the main picture. */
const BOARD = "board";
const MAIN = "main";

function Stage({ controller, open, onDoublePress }: StageProps): JSX.Element {
  const { clips, lesson } = controller.replay.value;
  const on = controller.on.value;
  const light = controller.light.value;
  const board = open !== null && open.book.scene.value.board.stage.stage !== "live";
  const big = board ? BOARD : (onStage(clips, on) ?? MAIN);
  const near = clips.filter((clip) => controller.near.value.indexOf(clip.id) >= 0);
  const main = big === MAIN ? "big" : light || !controller.pictured.value ? "hidden" : "small";
  const small = (main === "small" ? 1 : 0) + near.filter((clip) => clip.id !== big && on.indexOf(clip.id) >= 0).length;
  return (
    <div
      class={`replay-stage${small > 0 ? " has-strip" : ""}${light ? " is-light" : ""}`}
      data-test="stage"
      role="group"
      aria-label={t("stage")}
      onClick={() => controller.toggle()}
      onDblClick={onDoublePress}
    >
      <MainPicture controller={controller} place={main} />
      {near.map((clip) => (
        <ClipPicture
          key={clip.id}
          clip={clip}
          controller={controller}
          place={on.indexOf(clip.id) < 0 ? "hidden" : clip.id === big ? "big" : "small"}
        />
      ))}
      {board && <open.ui.Board book={open.book} sounding={open.sounding} />}
      {light && !board && (
        <div class={`replay-light-stage${waitsForPress(controller) ? " is-waiting" : ""}`} data-test="light-stage">
          <p class="replay-card-title">{lesson.title === "" ? t("lesson.untitled") : lesson.title}</p>
          <p>
            <Icon name="sound" />
            {t("replay.light.stage")}
          </p>
        </div>
      )}
      <BigPlay controller={controller} />
      <Message controller={controller} />
    </div>
  );
}

type Place = "big" | "small" | "hidden";

function MainPicture({ controller, place }: { controller: Controller; place: Place }): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => (video.current === null ? undefined : controller.attachMain(video.current)), [controller]);
  return <video ref={video} class={`replay-picture is-${place}`} data-test="main" playsInline preload="auto" />;
}

function ClipPicture({ clip, controller, place }: { clip: Clip; controller: Controller; place: Place }): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  // The clip's later states (its end, fresh URLs) reach the controller by the replay; the element stays.
  useEffect(
    () => (video.current === null ? undefined : controller.attachClip(clip, video.current)),
    [controller, clip.id],
  );
  return (
    <video
      ref={video}
      class={`replay-picture is-${place}`}
      data-test={clip.kind}
      data-clip={clip.id}
      aria-hidden={place === "hidden"}
      playsInline
      preload="auto"
    />
  );
}

function waitsForPress(controller: Controller): boolean {
  return !controller.playing.value && (!controller.begun.value || controller.finished.value);
}

/** Before the first press, and after the end: one obvious thing to do. */
function BigPlay({ controller }: { controller: Controller }): JSX.Element | null {
  if (!waitsForPress(controller)) return null;
  const resumed = controller.resumed_s > 0 && !controller.begun.value;
  const label = controller.finished.value
    ? t("replay.again")
    : resumed
      ? t("replay.continue", { time: clock(controller.position_s.value) })
      : t("replay.play");
  return (
    <div class="replay-big-play" onClick={(event) => event.stopPropagation()} onDblClick={(event) => event.stopPropagation()}>
      <Button label={label} icon="play" look="primary" shape="large" onPress={() => controller.play()} test="big-play" />
      {resumed && (
        <Button
          label={t("replay.beginning")}
          onPress={() => {
            controller.seek(0);
            controller.play();
          }}
          test="from-start"
        />
      )}
    </div>
  );
}

/** What the page waits for, in words; empty when all is well. */
function Message({ controller }: { controller: Controller }): JSX.Element {
  const waiting = useComputed(() => controller.waitingSince.value !== null);
  const lost = waiting.value && controller.trouble.value;
  const waited_s = useWaited(controller, lost);
  const { recording, lesson } = controller.replay.value;
  const stopped = recording.problem !== "" && lesson.state === "live" && !waiting.value;
  const text = lost
    ? t("replay.net.lost.playing")
    : waiting.value
      ? t("replay.waiting.data")
      : stopped
        ? t("replay.recording.stopped")
        : "";
  return (
    <div class={`replay-status${text === "" ? " is-empty" : ""}`}>
      <StatusLine
        test="message"
        tone={lost ? "lost" : stopped ? "note" : "wait"}
        text={text}
        ticking={lost ? clock(waited_s) : ""}
      />
    </div>
  );
}

/** Whole seconds since the picture stopped, counted while `watch` is true. */
function useWaited(controller: Controller, watch: boolean): number {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    if (!watch) return;
    const count = (): void => {
      const since = controller.waitingSince.peek();
      setSeconds(since === null ? 0 : Math.floor((performance.now() - since) / 1000));
    };
    count();
    const timer = setInterval(count, 1000);
    return () => clearInterval(timer);
  }, [controller, watch]);
  return seconds;
}

/** Who recorded what, and that it is not to be passed on. */
function Notice({ replay }: { replay: Replay }): JSX.Element {
  const classrooms = replay.clips.some((clip) => clip.kind === "classroom");
  return (
    <p class="replay-notice">
      <Icon name="note" />
      <span>
        {t(classrooms ? "replay.notice.classrooms" : "replay.notice")}
        {replay.recording.problem !== "" && ` ${t("replay.recording.incomplete")}`}
      </span>
    </p>
  );
}

function useKeys(controller: Controller, toggleFullscreen: () => void): void {
  const latest = useRef(toggleFullscreen);
  latest.current = toggleFullscreen;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const target = event.target instanceof HTMLElement ? event.target : document.body;
      const action = actionOf({
        key: event.key,
        ctrl: event.ctrlKey,
        alt: event.altKey,
        meta: event.metaKey,
        on: target.getAttribute("role") ?? target.tagName.toLowerCase(),
      });
      if (action === null) return;
      event.preventDefault();
      act(controller, action, latest.current);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [controller]);
}

function act(controller: Controller, action: Action, toggleFullscreen: () => void): void {
  switch (action.do) {
    case "toggle":
      return controller.toggle();
    case "skip":
      return controller.skip(action.by_s);
    case "tenth":
      return controller.seek((controller.end_s.peek() * action.tenth) / 10);
    case "start":
      return controller.seek(0);
    case "end":
      return controller.seek(controller.end_s.peek());
    case "faster":
      return controller.changeSpeed(1);
    case "slower":
      return controller.changeSpeed(-1);
    case "mute":
      return controller.toggleMute();
    case "fullscreen":
      return toggleFullscreen();
  }
}

/** True when nobody has touched anything for a while; only watched while `watch` is true. */
function useIdle(frame: { readonly current: HTMLElement | null }, watch: boolean): boolean {
  const [idle, setIdle] = useState(false);
  useEffect(() => {
    setIdle(false);
    if (!watch) return;
    let timer = setTimeout(() => setIdle(true), IDLE_MS);
    const touched = (): void => {
      setIdle(false);
      clearTimeout(timer);
      timer = setTimeout(() => setIdle(true), IDLE_MS);
    };
    const element = frame.current;
    const kinds = ["pointermove", "pointerdown", "keydown", "focusin"] as const;
    for (const kind of kinds) element?.addEventListener(kind, touched);
    return () => {
      clearTimeout(timer);
      for (const kind of kinds) element?.removeEventListener(kind, touched);
    };
  }, [watch]);
  return idle;
}
