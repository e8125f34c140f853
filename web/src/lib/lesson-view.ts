/** What a page knows of its lesson, kept up by the server's messages. Pure: a view and a message in, a view out. */

import type {
  Devices,
  LessonInfo,
  LinkState,
  Participant,
  Receiving,
  RecordingInfo,
  ServerMessage,
  Slot,
  SourceKind,
} from "../generated/messages";

/** The slots of the newest sessions are kept: their news may come before the answer that names the session. */
const SESSIONS_KEPT = 4;

export interface SessionSlots {
  readonly session: string;
  readonly slots: readonly Slot[];
}

export interface LessonView {
  readonly you: string;
  readonly lesson: LessonInfo;
  readonly participants: readonly Participant[];
  readonly recording: RecordingInfo;
  readonly replayUrl: string;
  /** Newest first. */
  readonly slots: readonly SessionSlots[];
  /** Add this to the page's own clock to have the server's. */
  readonly clockOffsetMs: number;
  /** What this page's own downlink carries, as the relay sees it; null until it is told. */
  readonly link?: LinkState | null;
  /** When the lesson ended, by the server's clock, ms since 1970; null while it has not. */
  readonly endedAtMs?: number | null;
}

/** The view after `message`; null until the first `welcome`. `now` is the page's clock in milliseconds since 1970. */
export function applied(view: LessonView | null, message: ServerMessage, now: number): LessonView | null {
  if (message.type === "welcome") {
    return {
      you: message.you,
      lesson: message.lesson,
      participants: message.participants,
      recording: message.recording,
      replayUrl: message.replay_url ?? "",
      slots: view?.slots ?? [],
      clockOffsetMs: clockOffset(view, message.server_time_ms - now),
      endedAtMs: message.ended_at_ms ?? null,
      link: message.participants.find((one) => one.id === message.you)?.link ?? null,
    };
  }
  if (view === null) return null;
  switch (message.type) {
    case "lesson_changed":
      return { ...view, lesson: message.lesson, endedAtMs: endOf(view, message.lesson, now) };
    case "participant_changed":
      return { ...view, participants: withParticipant(view.participants, message.participant) };
    case "participant_left":
      return { ...view, participants: view.participants.filter((one) => one.id !== message.id) };
    case "recording_changed":
      return { ...view, recording: message.recording };
    case "link_changed":
      return { ...view, link: message.link };
    case "slots_changed": {
      const others = view.slots.filter((one) => one.session !== message.session);
      const told: SessionSlots = { session: message.session, slots: message.slots };
      const slots = [told].concat(others).slice(0, SESSIONS_KEPT);
      return { ...view, slots };
    }
    default:
      return view;
  }
}

/** A page that is told of the end is told at once. */
function endOf(view: LessonView, lesson: LessonInfo, now: number): number | null {
  return lesson.state === "ended" ? (view.endedAtMs ?? now + view.clockOffsetMs) : null;
}

/** Clocks that differ by more have been set anew. */
const SAME_CLOCK_MS = 5_000;

/** The delay of a message makes the server's clock seem behind, so of two readings the larger is the better one. */
function clockOffset(view: LessonView | null, read: number): number {
  return view !== null && Math.abs(view.clockOffsetMs - read) < SAME_CLOCK_MS ? Math.max(view.clockOffsetMs, read) : read;
}

function withParticipant(all: readonly Participant[], changed: Participant): readonly Participant[] {
  const place = all.findIndex((one) => one.id === changed.id);
  if (place < 0) return all.concat([changed]);
  const out = all.slice();
  out[place] = changed;
  return out;
}

/** The participant that this page is. */
export function me(view: LessonView): Participant | undefined {
  return view.participants.find((one) => one.id === view.you);
}

/** What the transceivers of `session` carry. A session that the server has not spoken of yet most likely carries what
 *  the one before it did: better a picture now than after the next message. */
export function slotsOf(view: LessonView, session: string): readonly Slot[] {
  return (view.slots.find((one) => one.session === session) ?? view.slots[0])?.slots ?? [];
}

/** The transceiver that carries `kind` of `participant`, if one does. */
export function midOf(slots: readonly Slot[], participant: string, kind: SourceKind): string | null {
  return slots.find((slot) => slot.participant === participant && slot.kind === kind)?.mid ?? null;
}

/** Devices with every field said, as omitted fields are false. */
export function devicesOf(one: Participant): Required<Devices> {
  const said = one.devices ?? {};
  return {
    microphone: said.microphone ?? false,
    camera: said.camera ?? false,
    screen: said.screen ?? false,
    document: said.document ?? false,
  };
}

/** What a participant receives, with every field said. */
export function receivingOf(one: Participant): Required<Receiving> {
  const said = one.receiving ?? {};
  return {
    sound: said.sound ?? "off",
    picture: said.picture ?? "off",
    delay_ms: said.delay_ms ?? null,
    kbps: said.kbps ?? null,
    loss_percent: said.loss_percent ?? null,
    behind_s: said.behind_s ?? null,
    used_mb: said.used_mb ?? null,
    saves_data: said.saves_data ?? false,
  };
}
