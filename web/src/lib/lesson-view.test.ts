import { expect, test } from "vitest";
import type { Participant, ServerMessage, Welcome } from "../generated/messages";
import { applied, devicesOf, type LessonView, me, midOf, receivingOf, slotsOf } from "./lesson-view";

function person(id: string, more: Partial<Participant> = {}): Participant {
  return { id, role: "classroom", name: id, online: true, called: false, muted: false, devices: {}, receiving: {}, link: {}, ...more };
}

const WELCOME: Welcome = {
  type: "welcome",
  you: "c1",
  role: "classroom",
  lesson: { id: "l", title: "T", state: "waiting", language: "", starts_at_ms: null, started_at_ms: null, lead: "" },
  participants: [person("c1"), person("t1", { role: "teacher" })],
  recording: { state: "off", classrooms: false, problem: "", enabled: true },
  media_token: "m",
  whip_url: "/whip/l",
  whep_url: "/whep/l",
  server_time_ms: 5_000,
  replay_url: "",
  catchup_url: "/api/catchup/l",
  ice_servers: [],
  ended_at_ms: null,
  owner: "p1",
};

function told(...messages: ServerMessage[]): LessonView {
  const view = messages.reduce<LessonView | null>((before, one) => applied(before, one, 4_000), applied(null, WELCOME, 4_000));
  if (view === null) throw new Error("no view");
  return view;
}

test("nothing is known before the welcome", () => {
  expect(applied(null, { type: "participant_left", id: "c1" }, 0)).toBeNull();
});

test("a welcome gives the whole lesson and the server's clock", () => {
  const view = told();
  expect(view.clockOffsetMs).toBe(1_000);
  expect(me(view)?.id).toBe("c1");
});

test("a participant who changed keeps the place in the order", () => {
  const view = told({ type: "participant_changed", participant: person("c1", { called: true }) });
  expect(view.participants.map((one) => one.id)).toEqual(["c1", "t1"]);
  expect(me(view)?.called).toBe(true);
});

test("newcomers come last and those who left are gone", () => {
  const view = told({ type: "participant_changed", participant: person("c2") }, { type: "participant_left", id: "t1" });
  expect(view.participants.map((one) => one.id)).toEqual(["c1", "c2"]);
});

test("lesson and recording are taken as told", () => {
  const recording = { state: "recording", classrooms: true, problem: "", enabled: true } as const;
  const view = told(
    { type: "lesson_changed", lesson: { ...WELCOME.lesson, state: "live" } },
    { type: "recording_changed", recording },
  );
  expect(view.lesson.state).toBe("live");
  expect(view.recording).toEqual(recording);
});

test("news of an old session does not change what the new one carries", () => {
  const view = told(
    { type: "slots_changed", session: "old", slots: [{ mid: "4", participant: "t1", kind: "camera" }] },
    { type: "slots_changed", session: "new", slots: [{ mid: "5", participant: "t1", kind: "screen" }] },
    { type: "slots_changed", session: "old", slots: [] },
  );
  expect(midOf(slotsOf(view, "new"), "t1", "screen")).toBe("5");
  expect(midOf(slotsOf(view, "new"), "t1", "camera")).toBeNull();
});

test("a session not spoken of yet is taken to carry what the last one did", () => {
  const view = told({ type: "slots_changed", session: "old", slots: [{ mid: "4", participant: "t1", kind: "camera" }] });
  expect(midOf(slotsOf(view, "unheard"), "t1", "camera")).toBe("4");
});

test("only the newest sessions are kept, however many there were", () => {
  const many = Array.from({ length: 50 }, (_, n): ServerMessage => ({ type: "slots_changed", session: `s${n}`, slots: [] }));
  expect(told(...many).slots.map((one) => one.session)).toEqual(["s49", "s48", "s47", "s46"]);
});

test("slots outlive a reconnect of the socket, as the media does", () => {
  const view = told({ type: "slots_changed", session: "s", slots: [{ mid: "4", participant: "t1", kind: "camera" }] }, WELCOME);
  expect(midOf(slotsOf(view, "s"), "t1", "camera")).toBe("4");
});

test("omitted fields are false, off and unknown", () => {
  expect(devicesOf(person("x"))).toEqual({ microphone: false, camera: false, screen: false, document: false });
  expect(receivingOf(person("x"))).toEqual({ sound: "off", picture: "off", delay_ms: null, kbps: null, loss_percent: null, behind_s: null, used_mb: null, saves_data: false });
});

test("of two readings of the server's clock the one that came faster counts, until a clock was set anew", () => {
  const at = (offset: number): LessonView | null => applied(applied(null, WELCOME, 4_000), { ...WELCOME, server_time_ms: 4_000 + offset }, 4_000);
  expect(at(700)?.clockOffsetMs).toBe(1_000);
  expect(at(1_300)?.clockOffsetMs).toBe(1_300);
  expect(at(90_000)?.clockOffsetMs).toBe(90_000);
});

test("a page knows when the lesson ended, whether it was there or comes later", () => {
  const ended = { ...WELCOME.lesson, state: "ended" } as const;
  expect(told().endedAtMs).toBeNull();
  expect(told({ type: "lesson_changed", lesson: ended }).endedAtMs).toBe(5_000);
  expect(told({ ...WELCOME, lesson: ended, ended_at_ms: 3_000 }, { type: "lesson_changed", lesson: ended }).endedAtMs).toBe(3_000);
});
