import { expect, test } from "vitest";
import { type ClassroomState, classroomSentence, recordedText } from "./words";

const WELL: ClassroomState = {
  live: true,
  everConnected: true,
  signallingLost: false,
  mediaLost: false,
  renewing: false,
  soundBlocked: false,
  teacherHere: true,
  sound: "good",
  picture: "good",
  rung: "full",
  soundOnly: "",
  budgetNear: false,
  fromRecording: false,
  missedInReplay: false,
  recordingAwaited: false,
};

const LINES: [string, Partial<ClassroomState>, string | null][] = [
  ["all is well", {}, null],
  ["the first connection", { everConnected: false, signallingLost: true, mediaLost: true }, "net.connecting"],
  ["everything lost", { signallingLost: true, mediaLost: true }, "net.lost.class"],
  ["the sound stopped with the socket", { signallingLost: true, sound: "none" }, "net.lost.class"],
  ["lost while waiting", { live: false, signallingLost: true }, "net.lost.class"],
  ["media not up while waiting", { live: false, mediaLost: true }, null],
  ["only media lost", { mediaLost: true }, "net.media"],
  ["someone pressed for help", { mediaLost: true, renewing: true }, "class.help.doing"],
  ["the browser keeps the sound off", { soundBlocked: true, sound: "none" }, "class.soundoff"],
  ["the volunteer is gone", { teacherHere: false, sound: "off", picture: "off" }, "class.teacher.away"],
  ["nothing arrives", { sound: "none", picture: "none" }, "class.weak.nothing"],
  ["sound breaks up", { sound: "weak" }, "class.weak.sound"],
  ["sound only by the link", { picture: "none", rung: "sound" }, "class.rung.sound"],
  ["thin sound", { picture: "none", rung: "thin" }, "class.rung.thin"],
  ["the screen only", { rung: "screen" }, "class.rung.screen"],
  ["a smaller picture", { rung: "reduced" }, "class.rung.reduced"],
  ["what this browser cannot play of the recording", { missedInReplay: true, rung: "sound" }, "class.missed.replay"],
  ["sound only by choice", { picture: "none", rung: "sound", soundOnly: "chosen" }, "class.saving.on"],
  ["the budget is spent", { picture: "none", rung: "sound", soundOnly: "spent" }, "class.budget.spent"],
  ["the budget is nearly spent", { budgetNear: true }, "class.budget.near"],
  ["the recording plays while the live media is lost", { mediaLost: true, signallingLost: true, fromRecording: true }, null],
  ["lost, and nothing will be missed", { mediaLost: true, signallingLost: true, recordingAwaited: true }, "class.behind.lost"],
  ["nothing more of the recording arrives", { mediaLost: true, fromRecording: true, recordingAwaited: true }, "class.behind.lost"],
  ["no picture", { picture: "none" }, "class.weak.nopicture"],
  ["a stuttering picture", { picture: "weak" }, "class.weak.picture"],
  ["only the socket lost", { signallingLost: true }, "net.signalling"],
];
test.each(LINES)("the status line: %s", (_name, change, text) => {
  expect(classroomSentence({ ...WELL, ...change })?.text ?? null).toBe(text);
});

test.each([
  [true, false, "class.recorded.no"],
  [true, true, "class.recorded.yes"],
  [false, false, "class.recorded.off"],
])("a class is told of being recorded: server records %s, classrooms %s: %s", (enabled, classrooms, text) => {
  expect(recordedText({ state: "off", classrooms, problem: "", enabled })).toBe(text);
});
