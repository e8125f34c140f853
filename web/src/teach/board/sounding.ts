/** The song or film that the lesson plays, as this page plays it for the volunteer: one element, in step with all rooms. Its
 * sound stays here; every classroom plays its own copy. */

import { signal } from "@preact/signals";
import type { Player } from "../../generated/messages";
import { keepInStep, type KeepStep } from "../../lib/keep-step";

export class Sounding {
  /** Put it into the page to see a film; a song sounds without. */
  readonly element = signal<HTMLVideoElement | null>(null);
  /** The browser wants a press before it lets anything sound. */
  readonly refused = signal(false);
  /** The volunteer does not want to hear it here. */
  readonly silent = signal(false);
  private url = "";
  private keeper: KeepStep | null = null;

  constructor(
    private readonly player: () => Player | null,
    private readonly nowMs: () => number,
  ) {}

  /** Play what lies at `url` from now on; empty: nothing. */
  load(url: string, speaker: string): void {
    if (url !== this.url) {
      this.keeper?.stop();
      this.keeper = null;
      this.url = url;
      this.refused.value = false;
      const before = this.element.peek();
      before?.removeAttribute("src");
      before?.load();
      this.element.value = url === "" ? null : this.made(url);
    }
    const element = this.element.peek() as (HTMLVideoElement & { setSinkId?: (id: string) => Promise<void> }) | null;
    element?.setSinkId?.(speaker).catch(() => undefined);
    this.keeper?.now();
  }

  setSilent(silent: boolean): void {
    this.silent.value = silent;
    const element = this.element.peek();
    if (element !== null) element.muted = silent;
  }

  /** Within a press: what the browser refused may sound now. */
  unlock(): void {
    const element = this.element.peek();
    if (element === null || this.player()?.playing !== true) return;
    element.play().then(
      () => (this.refused.value = false),
      () => undefined,
    );
  }

  private made(url: string): HTMLVideoElement {
    const element = document.createElement("video");
    element.preload = "auto";
    element.setAttribute("playsinline", "");
    element.muted = this.silent.peek();
    element.className = "board-film";
    element.dataset["test"] = "media";
    element.src = url;
    this.keeper = keepInStep(element, this.player, this.nowMs, (is) => (this.refused.value = is));
    return element;
  }
}
