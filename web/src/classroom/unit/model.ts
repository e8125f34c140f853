/** What a classroom says and is asked as one: heads, hand, signs, answers, chat, thumbnails. Loaded after the first sound;
 * there is one for each page. The view reads its signals; it draws nothing itself. */

import { batch, computed, effect, signal } from "@preact/signals";
import type { ClientMessage, Happened, Poll, Sign } from "../../generated/messages";
import type { TextKey } from "../../lib/i18n";
import { recall, remember } from "../../lib/storage";
import { wallMs } from "../../lib/ticker";
import type { ClassroomModel } from "../model";
import { bell } from "./bell";
import { same, type Tally, tallyOf } from "./counting";
import { bellInMs, PICKED_SHOWN_MS, SEEN_SHOWN_MS, signLeftMs, stands } from "./moments";
import { Thumbnails } from "./thumbnails";

export type GivenSign = Exclude<Sign, "">;
export const SIGNS: readonly GivenSign[] = ["cannot_hear", "cannot_see", "slower", "again"];

/** What lies over the stage because somebody here opened it. */
export type Sheet = "" | "signs" | "chat";

const HEADS = "heads";

export class UnitModel {
  /** Pupils, as somebody here said; null: nobody has. Kept for the next lesson. */
  readonly heads = signal<number | null>(storedHeads());
  readonly thumbnails: Thumbnails;
  readonly sheet = signal<Sheet>("");
  /** One sentence for some seconds. */
  readonly notice = signal<TextKey | "">("");
  /** Whom chance has just chosen. */
  readonly picked = signal<{ readonly name: string; readonly us: boolean } | null>(null);

  readonly you = computed(() => this.room.page.view.value?.you ?? "");
  readonly hand = computed(() => this.room.page.board.value.hands.find((one) => one.participant === this.you.value) ?? null);
  readonly sign = computed(() => this.room.page.board.value.signs.find((one) => one.participant === this.you.value) ?? null);
  readonly timer = computed(() => this.room.page.board.value.timer);
  readonly chat = computed(() => this.room.page.board.value.chat);
  readonly unread = computed(
    () => this.chat.value.filter((one) => one.role === "teacher" && one.seq > this.readUpTo.value).length,
  );

  /** The newest question, while it stands on the projector. */
  readonly asked = computed((): Poll | null => {
    const poll = this.newest.value;
    if (poll === null || this.room.page.lessonState.value !== "live") return null;
    const { id, atMs, closed } = this.changed.value;
    const mine = id === poll.poll;
    const look = { poll, changedAtMs: mine ? atMs : null, closed: mine && closed };
    return stands(look, wallMs.value + this.offsetMs.value) ? poll : null;
  });
  /** Somebody here wants to see the picture large meanwhile. */
  readonly aside = signal(false);
  /** What this class has answered; null: nothing yet. */
  readonly answered = computed(
    () => this.asked.value?.answers.find((one) => one.participant === this.you.value)?.counts ?? null,
  );
  readonly draft = signal<{ readonly poll: string; readonly tally: Tally }>({ poll: "", tally: tallyOf(0, null) });
  /** To be sent, and sent again after a loss, until the server has it. */
  readonly sending = signal<{ readonly poll: string; readonly counts: readonly number[] } | null>(null);

  private readonly newest = computed((): Poll | null => {
    const { polls } = this.room.page.board.value;
    return polls[polls.length - 1] ?? null;
  });
  private readonly changed = signal({ id: "", atMs: 0, closed: false });
  private readonly offsetMs = computed(() => this.room.page.view.value?.clockOffsetMs ?? 0);
  private readonly readUpTo = signal(-1);
  private noticeTimer = 0;
  private pickedTimer = 0;

  constructor(readonly room: ClassroomModel) {
    this.thumbnails = new Thumbnails(room);
    this.wire();
  }

  setHeads(heads: number): void {
    this.heads.value = heads;
    remember(HEADS, String(heads));
  }

  raiseHand(up: boolean): void {
    this.send({ type: "hand", up });
  }

  /** Tell the volunteer; where sound or picture are gone, connect them afresh as well. */
  give(sign: Sign): void {
    this.send({ type: "sign", sign });
    if (sign === "cannot_hear" || sign === "cannot_see") this.room.help();
  }

  say(text: string): boolean {
    return this.send({ type: "chat", text });
  }

  open(sheet: Sheet): void {
    this.sheet.value = this.sheet.peek() === sheet ? "" : sheet;
  }

  answer(): void {
    const { poll, tally } = this.draft.peek();
    this.sending.value = { poll, counts: tally.counts };
  }

  /** Seen enough of a result. */
  closeResult(): void {
    const poll = this.newest.peek();
    if (poll !== null) this.changed.value = { ...this.changed.peek(), id: poll.poll, closed: true };
  }

  private send(message: ClientMessage): boolean {
    const sent = this.room.page.signalling.send(message);
    if (!sent) this.tell("unit.lost");
    return sent;
  }

  private tell(text: TextKey): void {
    this.notice.value = text;
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => (this.notice.value = ""), SEEN_SHOWN_MS);
  }

  private wire(): void {
    const { page } = this.room;
    page.signalling.listen((message) => {
      if (message.type === "happened") this.happened(message);
    });
    // After each greeting, as the server may have come up anew; it makes nothing of what it knows.
    effect(() => {
      const heads = this.heads.value;
      if (heads !== null && page.signalling.phase.value === "ready") page.signalling.send({ type: "set_heads", heads });
    });
    effect(() => {
      const sign = this.sign.value;
      if (sign === null || page.signalling.phase.value !== "ready") return undefined;
      const timer = setTimeout(
        () => page.signalling.send({ type: "sign", sign: "" }),
        signLeftMs(sign.at_ms, page.serverNowMs()),
      );
      return () => clearTimeout(timer);
    });
    effect(() => {
      const inMs = bellInMs(this.timer.value, page.serverNowMs());
      if (inMs === null) return undefined;
      const timer = setTimeout(() => void bell(page.sound.volume.peek()), inMs);
      return () => clearTimeout(timer);
    });
    effect(() => this.draftFor(this.asked.value));
    effect(() => {
      const wanted = this.sending.value;
      const poll = this.asked.value;
      if (wanted === null) return;
      if (poll === null || poll.poll !== wanted.poll || poll.state !== "open" || same(wanted.counts, this.answered.value)) {
        this.sending.value = null;
      } else if (page.signalling.phase.value === "ready") {
        page.signalling.send({ type: "answer", poll: wanted.poll, counts: wanted.counts });
      }
    });
    effect(() => {
      if (this.sheet.value !== "chat") return;
      const last = this.chat.value[this.chat.value.length - 1];
      if (last !== undefined) this.readUpTo.value = last.seq;
    });
    // The drawers belong to the stage.
    effect(() => {
      if (page.lessonState.value !== "live") this.sheet.value = "";
    });
  }

  /** A new question begins with an empty tally, or with what this class has sent before its page was loaded again. */
  private draftFor(poll: Poll | null): void {
    if (poll === null || this.draft.peek().poll === poll.poll) return;
    batch(() => {
      this.draft.value = { poll: poll.poll, tally: tallyOf(poll.choices.length, this.answered.peek()) };
      this.aside.value = false;
    });
  }

  private happened({ at_ms, by, event }: Happened): void {
    const byOther = by !== this.you.peek();
    switch (event.type) {
      case "hand_lowered":
        if (event.participant === this.you.peek() && byOther) this.tell("unit.hand.seen");
        break;
      case "sign_given":
        if (event.participant === this.you.peek() && event.sign === "" && byOther) this.tell("unit.sign.seen");
        break;
      case "picked":
        this.pick(event.participant);
        break;
      case "poll_opened":
      case "poll_closed":
      case "poll_revealed":
        this.changed.value = { id: event.poll, atMs: at_ms, closed: false };
        this.aside.value = false;
        break;
      case "stage_shown":
        // Something new to look at: a result makes room, an open question stays.
        if (this.newest.peek()?.state !== "open") this.closeResult();
        break;
    }
  }

  private pick(participant: string): void {
    const name = this.room.page.view.peek()?.participants.find((one) => one.id === participant)?.name ?? "";
    if (name === "") return;
    const us = participant === this.you.peek();
    this.picked.value = { name, us };
    if (us) void bell(this.room.page.sound.volume.peek());
    clearTimeout(this.pickedTimer);
    this.pickedTimer = setTimeout(() => (this.picked.value = null), PICKED_SHOWN_MS);
  }
}

function storedHeads(): number | null {
  const stored = Number(recall(HEADS) ?? "");
  return stored > 0 ? stored : null;
}

let only: UnitModel | null = null;

/** The page's one. */
export function unitOf(room: ClassroomModel): UnitModel {
  if (only === null || only.room !== room) only = new UnitModel(room);
  return only;
}
