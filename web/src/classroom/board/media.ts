/** Plays the lesson's song or film from the copy on this computer, in step with all other rooms. Knows the element and its
 * wiring; where it must stand is `lib/in-step`. */

import { computed, effect, signal } from "@preact/signals";
import { type KeepStep, keepInStep } from "../../lib/keep-step";
import { manifestOf } from "../../materials/plan";
import type { Fetcher } from "../../materials/fetcher";
import type { ClassroomModel } from "../model";

type Sinkable = HTMLVideoElement & { setSinkId?: (id: string) => Promise<void> };

export class MediaPlayer {
  readonly element: Sinkable = document.createElement("video");
  /** A frame of the film can be seen. */
  readonly visible = signal(false);
  /** The lesson's song or film: the one that was started, else the one on the stage; empty: none. */
  readonly material = computed(() => {
    const { player, stage } = this.model.page.board.value;
    return player?.material ?? (stage.stage === "film" ? stage.material : "");
  });
  /** It should play, and is not here yet. */
  readonly awaited = computed(() => this.file.value !== "" && this.source.value !== this.file.value);

  private readonly file = signal("");
  private readonly source = signal("");
  private keep: KeepStep | null = null;

  constructor(
    private readonly model: ClassroomModel,
    private readonly fetcher: Fetcher,
  ) {
    const { element } = this;
    const { page, hearing } = model;
    element.className = "classboard-film";
    element.setAttribute("playsinline", "");
    element.preload = "auto";
    element.disableRemotePlayback = true;
    for (const event of ["loadeddata", "emptied"]) {
      element.addEventListener(event, () => (this.visible.value = element.readyState >= 2 && element.videoWidth > 0));
    }
    effect(() => {
      element.volume = page.sound.volume.value;
    });
    effect(() => {
      element.setSinkId?.(page.sound.speaker.value).catch(() => {
        // The speaker is gone: the system's default plays on.
      });
    });
    // A room that hears what it missed hears one thing at a time.
    effect(() => {
      element.muted = hearing.playsRecording.value;
    });
    effect(() => {
      // Follows what is fetched.
      void fetcher.changed.value;
      const one = page.board.value.materials.find(({ id }) => id === this.material.value);
      const manifest = one === undefined ? null : manifestOf(fetcher.shelf(), one);
      this.file.value = one === undefined ? "" : manifest !== null && manifest.kind !== "deck" ? manifest.file : one.id;
    });
    effect(() => {
      void fetcher.changed.value;
      void this.load(this.file.value);
    });
    effect(() => {
      void page.board.value.player;
      this.keep?.now();
    });
    // A browser that wants a press before it sounds has had it.
    for (const event of ["pointerup", "keydown"]) addEventListener(event, () => this.keep?.now());
  }

  private async load(file: string): Promise<void> {
    if (file === this.source.peek()) return;
    const url = file !== "" && this.fetcher.shelf().has(file) ? await this.fetcher.address(file) : null;
    if (file !== this.file.peek() || file === this.source.peek()) return;
    if (url === null && this.source.peek() === "") return;
    const { element, model } = this;
    this.keep?.stop();
    this.keep = null;
    this.source.value = url === null ? "" : file;
    if (url === null) {
      element.removeAttribute("src");
      element.load();
      return;
    }
    element.src = url;
    this.keep = keepInStep(
      element,
      () => (model.page.left.peek() || model.page.lessonState.peek() !== "live" ? null : model.page.board.peek().player),
      () => model.page.serverNowMs(),
      (refused) => {
        if (refused) model.page.sound.blocked.value = true;
      },
    );
  }
}
