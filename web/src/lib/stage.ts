/** What stands on the stage and what is small beside it. Pure: the lesson and the seats in, sources out. Nothing jumps:
 * the choice changes only when someone shares, calls or turns a camera. */

import type { CameraKind, Participant, Slot, SourceKind } from "../generated/messages";
import { devicesOf } from "./lesson-view";

/** A picture that can be shown: whose, and of what. */
export interface Source {
  readonly participant: string;
  readonly kind: Exclude<SourceKind, "microphone">;
}

/** Which of a volunteer's two cameras is to stand large (`stage_shown`); empty where nothing was said. */
export type Prefer = CameraKind | "";

export interface Stage {
  readonly main: Source | null;
  /** In order of weight; the page shows as many as fit. */
  readonly small: readonly Source[];
}

/** The pictures that reach this page now, in the order of the seats, which is the server's order of weight. */
export function shown(slots: readonly Slot[], participants: readonly Participant[]): Source[] {
  const out: Source[] = [];
  for (const slot of slots) {
    if (slot.kind !== "camera" && slot.kind !== "screen") continue;
    const owner = participants.find((one) => one.id === slot.participant);
    if (owner !== undefined && devicesOf(owner)[slot.kind]) out.push({ participant: slot.participant, kind: slot.kind });
  }
  return out;
}

/** The screen that takes the stage: a shared one always, as that is why it is shared; of a document camera only while the
 *  volunteer does not prefer the face. */
function screenOf(sources: readonly Source[], participants: readonly Participant[], prefer: Prefer): Source | undefined {
  return sources.find((source) => {
    if (source.kind !== "screen") return false;
    if (prefer !== "camera") return true;
    const owner = participants.find((one) => one.id === source.participant);
    return owner === undefined || !devicesOf(owner).document;
  });
}

/** The classroom's stage: the shared screen, else the volunteer, else whoever is seen; the others small. */
export function classroomStage(slots: readonly Slot[], participants: readonly Participant[], prefer: Prefer = ""): Stage {
  const sources = shown(slots, participants);
  const isTeacher = (source: Source): boolean =>
    participants.some((one) => one.id === source.participant && one.role === "teacher");
  const main =
    screenOf(sources, participants, prefer) ??
    sources.find((source) => source.kind === "camera" && isTeacher(source)) ??
    sources[0] ??
    null;
  return { main, small: sources.filter((source) => source !== main) };
}

/** The volunteer's stage: a shared screen, else a classroom that was called on, else the own camera. `own` says what this
 *  page sends; its own pictures are not among the seats. */
export function teacherStage(
  you: string,
  own: { readonly camera: boolean; readonly screen: boolean; readonly document?: boolean },
  slots: readonly Slot[],
  participants: readonly Participant[],
  prefer: Prefer = "",
): Stage {
  const others = shown(slots, participants);
  const called = (source: Source): boolean =>
    participants.some((one) => one.id === source.participant && one.role === "classroom" && one.called);
  const ownScreen: Source | null = own.screen ? { participant: you, kind: "screen" } : null;
  const ownCamera: Source | null = own.camera ? { participant: you, kind: "camera" } : null;
  const large = own.document === true && prefer === "camera" ? null : ownScreen;
  const main = large ?? screenOf(others, participants, prefer) ?? others.find(called) ?? ownCamera ?? ownScreen;
  // The own face is small beside the stage anyhow (`Self`); the own document is not.
  const beside = ownScreen !== null && ownScreen !== main ? [ownScreen] : [];
  return { main, small: [...beside, ...others.filter((source) => source !== main)] };
}
