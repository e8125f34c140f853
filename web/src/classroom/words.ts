/** What the classroom page says of its own state: states in, the one sentence that a class reads out. Pure: it names texts, it
 * does not hold them. */

import type { LinkState, Quality, RecordingInfo } from "../generated/messages";
import type { TextKey } from "../lib/i18n";
import type { Sentence } from "../ui/StatusLine";

/** What a class is told of being recorded; the same words before, during and in the menu. */
export function recordedText(recording: RecordingInfo | undefined): TextKey {
  if (recording?.enabled === false) return "class.recorded.off";
  return recording?.classrooms === true ? "class.recorded.yes" : "class.recorded.no";
}

/** What a classroom's page knows of its own state. */
export interface ClassroomState {
  readonly live: boolean;
  readonly everConnected: boolean;
  readonly signallingLost: boolean;
  readonly mediaLost: boolean;
  /** Someone asked for a new start of the media a moment ago. */
  readonly renewing: boolean;
  readonly soundBlocked: boolean;
  readonly teacherHere: boolean;
  readonly sound: Quality;
  readonly picture: Quality;
  /** What the room's link carries, as the server sees it; empty while that is not known. */
  readonly rung: NonNullable<LinkState["rung"]>;
  /** The best that the room wants is sound, by choice or by its budget. */
  readonly soundOnly: "" | "chosen" | "spent";
  /** The data budget is nearly used up. */
  readonly budgetNear: boolean;
  /** Sound is heard from the recording, so nothing is lost although the live media is. */
  readonly fromRecording: boolean;
  /** Something was missed just now that this browser cannot play; the replay has it. */
  readonly missedInReplay: boolean;
  /** The sound is gone, and what is missed will be heard from the recording; or nothing more of that arrives. */
  readonly recordingAwaited: boolean;
}

/** The one sentence of the classroom's status line; null: all is well, nothing to say. What stops the lesson comes before
 *  what merely troubles it. */
export function classroomSentence(state: ClassroomState): Sentence | null {
  if (!state.everConnected) return { tone: "wait", text: "net.connecting" };
  // The browser notices a dead path only after some seconds; sound that stopped together with the socket says it sooner.
  const silent = (state.mediaLost || !state.live || state.sound === "none") && !state.fromRecording && !state.recordingAwaited;
  if (state.signallingLost && silent) return { tone: "lost", text: "net.lost.class" };
  if (!state.live) return null;
  if (state.renewing && state.mediaLost) return { tone: "wait", text: "class.help.doing" };
  if (state.soundBlocked) return { tone: "weak", text: "class.soundoff" };
  // What plays from the recording says so itself.
  if (state.recordingAwaited) return { tone: "lost", text: "class.behind.lost" };
  if (state.fromRecording) return null;
  if (state.mediaLost) return { tone: "lost", text: "net.media" };
  if (!state.teacherHere) return { tone: "wait", text: "class.teacher.away" };
  if (state.sound === "none" && state.picture !== "good") return { tone: "lost", text: "class.weak.nothing" };
  if (state.sound === "none" || state.sound === "weak") return { tone: "weak", text: "class.weak.sound" };
  if (state.missedInReplay) return { tone: "note", text: "class.missed.replay" };
  const said = rungSentence(state);
  if (said !== null) return said;
  if (state.picture === "none") return { tone: "weak", text: "class.weak.nopicture" };
  if (state.picture === "weak") return { tone: "weak", text: "class.weak.picture" };
  if (state.signallingLost) return { tone: "note", text: "net.signalling" };
  return null;
}

/** What the room gets less than everything, and why; null: all of it. */
function rungSentence(state: ClassroomState): Sentence | null {
  if (state.soundOnly !== "") {
    return { tone: "note", text: state.soundOnly === "spent" ? "class.budget.spent" : "class.saving.on" };
  }
  switch (state.rung) {
    case "thin":
      return { tone: "weak", text: "class.rung.thin" };
    case "sound":
      return { tone: "weak", text: "class.rung.sound" };
    case "screen":
      return state.picture === "off" ? null : { tone: "weak", text: "class.rung.screen" };
    case "reconnecting":
      return { tone: "lost", text: "class.rung.reconnecting" };
    default:
      break;
  }
  if (state.budgetNear) return { tone: "note", text: "class.budget.near" };
  return state.rung === "reduced" && state.picture === "good" ? { tone: "note", text: "class.rung.reduced" } : null;
}
