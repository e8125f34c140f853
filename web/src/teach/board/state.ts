/** Strokes and laser of the lesson's pages as this page knows them, and which pages it has to ask for. Knows no DOM; messages
 * come in, questions go out through `ask`. */

import { signal } from "@preact/signals";
import { afterEvent, knows, noPages, spotOf, withPage, type Pages } from "../../board/state";
import type { ServerMessage } from "../../generated/messages";

export class StrokeStore {
  readonly pages = signal<Pages>(noPages(false));
  /** Where somebody else's laser points on the shown page. */
  readonly pointer = signal<ReturnType<typeof spotOf>>(null);
  /** Counts the greetings: what was not confirmed before one is lost. */
  readonly epoch = signal(0);
  private seq = 0;
  private asked: readonly string[] = [];

  /** @param you This page's participant. @param ask Asks the server for a page; false when it cannot now. */
  constructor(
    private readonly you: () => string,
    private readonly ask: (page: string) => boolean,
  ) {}

  receive(message: ServerMessage): void {
    if (message.type === "board") {
      // What happened while the socket was away is in no page that is known here: all are asked for anew.
      this.seq = message.seq;
      this.asked = [];
      const { stage, page } = message.stage;
      this.pages.value = stage === "page" ? withPage(noPages(false), page, message.strokes) : noPages(false);
      this.pointer.value = null;
      this.epoch.value++;
    } else if (message.type === "page") {
      this.asked = this.asked.filter((one) => one !== message.page);
      this.pages.value = withPage(this.pages.peek(), message.page, message.strokes);
    } else if (message.type === "happened" && message.seq > this.seq) {
      this.seq = message.seq;
      const { event, by } = message;
      switch (event.type) {
        case "stroke_begun":
        case "stroke_grew":
        case "strokes_hidden":
        case "strokes_shown":
          this.pages.value = afterEvent(this.pages.peek(), event, by);
          break;
        case "pointed":
          if (by !== this.you()) this.pointer.value = spotOf(event);
          break;
        case "stage_shown":
          this.pointer.value = null;
          break;
        default:
          break;
      }
    }
  }

  /** `page` is looked at: ask for it unless it is known or asked for already. */
  need(page: string): void {
    if (page === "" || knows(this.pages.peek(), page) || this.asked.indexOf(page) >= 0) return;
    if (this.ask(page)) this.asked = this.asked.concat([page]);
  }
}
