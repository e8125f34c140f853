/** The classrooms as the volunteer deals with them: hands, questions, chat, thumbnails. Turns presses into orders and the
 * board into what is shown; draws nothing. */

import { computed, effect, signal } from "@preact/signals";
import type { ClientMessage, Participant, Prepared, ServerMessage } from "../../generated/messages";
import type { LivePage } from "../../lib/live-page";
import { leads } from "../../lib/rights";
import { recall, remember } from "../../lib/storage";
import { steadyMs, wallMs } from "../../lib/ticker";
import { allowChime, chime } from "./chime";

export type PanelName = "hands" | "ask" | "timer" | "chat";

/** A picture of a class that is older tells nothing of the class. */
const FRESH_MS = 30_000;
/** Pages are leafed through: what is passed by is not worth a camera's light. */
const SETTLED_MS = 300;
/** As many as the server takes. */
const MOST_THUMBNAILS = 30;
/** A timer that has run out is seen for this long. */
const OVER_FOR_S = 30;

interface Still {
  readonly url: string;
  readonly atMs: number;
}

export interface Queued {
  readonly id: string;
  readonly name: string;
  readonly waitingS: number;
  readonly one: Participant | null;
}

export class RoomsModel {
  readonly panel = signal<PanelName | null>(null);
  /** The page of tiles, from 0. */
  readonly place = signal(0);
  readonly onlyHands = signal(false);
  readonly chimes = signal(recall("chime") !== "off");
  /** The classroom that chance chose just now; empty: none, or seen. */
  readonly picked = signal("");
  /** Tiles on the screen. */
  readonly looking = signal<readonly string[]>([]);
  private readonly stills = signal<ReadonlyMap<string, Still>>(new Map());
  /** What of a material lies in a classroom, as told last; by both ids. */
  readonly prepared = signal<ReadonlyMap<string, Prepared>>(new Map());
  private readonly hidden = signal(document.hidden);
  /** The newest line of chat that was seen; null before the first board. */
  private readonly readTo = signal<number | null>(null);

  readonly classrooms = computed(() => (this.page.view.value?.participants ?? []).filter((one) => one.role === "classroom"));
  readonly leads = computed(() => leads(this.page.view.value));
  /** The queue, first come first. */
  readonly queue = computed((): readonly Queued[] =>
    this.page.board.value.hands.map(({ participant, at_ms }) => {
      const one = this.classrooms.value.find((room) => room.id === participant) ?? null;
      return { id: participant, name: one?.name ?? "", waitingS: this.sinceS(at_ms), one };
    }),
  );
  readonly openPoll = computed(() => this.page.board.value.polls.find((one) => one.state === "open") ?? null);
  readonly unread = computed(() => {
    const { you } = this.page.view.value ?? { you: "" };
    const from = this.readTo.value;
    return from === null ? 0 : this.page.board.value.chat.filter((line) => line.seq > from && line.by !== you).length;
  });
  /** Seconds that are left; null without a timer, and soon after its end. */
  readonly left = computed(() => {
    const timer = this.page.board.value.timer;
    if (timer === null) return null;
    const left = timer.seconds - this.sinceS(timer.at_ms);
    return left < -OVER_FOR_S ? null : Math.max(0, left);
  });

  constructor(private readonly page: LivePage) {
    page.signalling.listen((message) => this.heard(message));
    document.addEventListener("visibilitychange", () => (this.hidden.value = document.hidden));
    addEventListener("pointerdown", allowChime, { once: true });
    const wanted = computed(() => (this.hidden.value ? "" : this.looking.value.slice(0, MOST_THUMBNAILS).join(" ")));
    let asked = "";
    effect(() => {
      const of = wanted.value;
      if (page.signalling.phase.value !== "ready") {
        asked = "";
        return undefined;
      }
      if (of === asked) return undefined;
      const timer = setTimeout(() => {
        asked = of;
        this.send({ type: "thumbnails", of: of === "" ? [] : of.split(" ") });
      }, SETTLED_MS);
      return () => clearTimeout(timer);
    });
    effect(() => {
      // What is said while the chat is open is seen.
      const chat = this.page.board.value.chat;
      if (this.panel.value === "chat") this.readTo.value = chat[chat.length - 1]?.seq ?? 0;
    });
  }

  send(order: ClientMessage): boolean {
    return this.page.signalling.send(order);
  }

  toggle(panel: PanelName): void {
    this.panel.value = this.panel.peek() === panel ? null : panel;
  }

  /** The classroom may speak; its hand, if it was up, is answered by that. */
  call(participant: string): void {
    this.send({ type: "call", participant });
    if (this.picked.peek() === participant) this.picked.value = "";
  }

  /** The question is answered, and the sign seen. */
  lower(participant: string): void {
    this.send({ type: "lower_hand", participant });
  }

  setChimes(on: boolean): void {
    this.chimes.value = on;
    remember("chime", on ? "" : "off");
    if (on) chime();
  }

  say(text: string): boolean {
    const line = text.trim().slice(0, 500);
    return line !== "" && this.page.signalling.send({ type: "chat", text: line });
  }

  /** The address of the classroom's thumbnail while it is fresh; null: there is none. */
  still(participant: string): { readonly url: string; readonly fresh: boolean } | null {
    const still = this.stills.value.get(participant);
    return still === undefined ? null : { url: still.url, fresh: steadyMs.value - still.atMs < FRESH_MS };
  }

  /** How much of the lesson's materials is on that classroom's disk; null: there are none, or it has not said. */
  ready(participant: string): { readonly have: number; readonly total: number } | null {
    let have = 0;
    let total = 0;
    for (const { id } of this.page.board.value.materials) {
      const said = this.prepared.value.get(`${participant} ${id}`);
      have += said?.have ?? 0;
      total += said?.total ?? 0;
    }
    return total === 0 ? null : { have, total };
  }

  heads(participant: string): number {
    return this.page.board.value.heads.find((one) => one.participant === participant)?.heads ?? 0;
  }

  /** Seconds since a moment of the server's clock. */
  sinceS(atMs: number): number {
    return Math.max(0, (wallMs.value + (this.page.view.value?.clockOffsetMs ?? 0) - atMs) / 1000);
  }

  private heard(message: ServerMessage): void {
    switch (message.type) {
      case "welcome":
        this.prepared.value = new Map();
        break;
      case "board":
        // What was said before this page came, its person has not missed; what was said while it was cut off, it has.
        if (this.readTo.peek() === null) this.readTo.value = message.chat[message.chat.length - 1]?.seq ?? 0;
        break;
      case "prepared":
        this.prepared.value = new Map(this.prepared.peek()).set(`${message.participant} ${message.material}`, message);
        break;
      case "thumbnail_of": {
        const { participant, data } = message;
        const kind = data.slice(0, 4) === "/9j/" ? "jpeg" : "webp";
        const still = { url: `data:image/${kind};base64,${data}`, atMs: performance.now() };
        this.stills.value = new Map(this.stills.peek()).set(participant, still);
        break;
      }
      case "participant_left": {
        const stills = new Map(this.stills.peek());
        if (stills.delete(message.id)) this.stills.value = stills;
        break;
      }
      case "happened":
        if (message.event.type === "hand_raised" && this.chimes.peek()) chime();
        if (message.event.type === "picked") this.picked.value = message.event.participant;
        break;
      default:
    }
  }
}
