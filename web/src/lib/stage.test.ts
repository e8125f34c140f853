import { expect, test } from "vitest";
import type { Devices, Participant, Slot } from "../generated/messages";
import { classroomStage, teacherStage } from "./stage";

function person(id: string, devices: Devices, more: Partial<Participant> = {}): Participant {
  const role = id.startsWith("t") ? "teacher" : "classroom";
  return { id, role, name: id, online: true, called: false, muted: false, devices, receiving: {}, link: {}, ...more };
}

const SLOTS: Slot[] = [
  { mid: "0", participant: "t1", kind: "microphone" },
  { mid: "4", participant: "t1", kind: "camera" },
  { mid: "5", participant: "t1", kind: "screen" },
  { mid: "6", participant: "t2", kind: "camera" },
  { mid: "7", participant: "c1", kind: "camera" },
];
const CAMERA = { camera: true };
const SCREEN = { camera: true, screen: true };

function names(stage: ReturnType<typeof classroomStage>): [string, string[]] {
  const name = (one: { participant: string; kind: string } | null): string => (one === null ? "" : `${one.participant}.${one.kind}`);
  return [name(stage.main), stage.small.map(name)];
}

test("a shared screen takes the classroom's stage with the camera small", () => {
  expect(names(classroomStage(SLOTS, [person("t1", SCREEN)]))).toEqual(["t1.screen", ["t1.camera"]]);
});

test("without a screen the first volunteer stands large, all others small", () => {
  const people = [person("t1", CAMERA), person("t2", CAMERA), person("c1", CAMERA)];
  expect(names(classroomStage(SLOTS, people))).toEqual(["t1.camera", ["t2.camera", "c1.camera"]]);
});

test("a camera that is off is not shown, though its seat may not be empty yet", () => {
  expect(names(classroomStage(SLOTS, [person("t1", { microphone: true })]))).toEqual(["", []]);
});

test("a called classroom is seen where no volunteer is", () => {
  expect(names(classroomStage(SLOTS, [person("t1", {}), person("c1", CAMERA)]))).toEqual(["c1.camera", []]);
});

test("the volunteer's stage: own screen, then a called classroom, then the own camera", () => {
  const called = person("c1", CAMERA, { called: true });
  const seats = SLOTS.filter((slot) => slot.participant !== "t1");
  const stage = (own: { camera: boolean; screen: boolean }, people: Participant[]): string =>
    names(teacherStage("t1", own, seats, people))[0];
  expect(stage({ camera: true, screen: true }, [called])).toBe("t1.screen");
  expect(stage({ camera: true, screen: false }, [called])).toBe("c1.camera");
  expect(stage({ camera: true, screen: false }, [person("c1", CAMERA)])).toBe("t1.camera");
  expect(stage({ camera: false, screen: false }, [])).toBe("");
});

test("the other volunteer is small beside the own stage", () => {
  expect(names(teacherStage("t1", { camera: true, screen: false }, SLOTS, [person("t2", CAMERA)]))).toEqual(["t1.camera", ["t2.camera"]]);
});

const DOCUMENT = { camera: true, screen: true, document: true };

test("a document camera takes the stage, unless the volunteer prefers the face: then it stays beside it", () => {
  const people = [person("t1", DOCUMENT)];
  expect(names(classroomStage(SLOTS, people))).toEqual(["t1.screen", ["t1.camera"]]);
  expect(names(classroomStage(SLOTS, people, "document"))).toEqual(["t1.screen", ["t1.camera"]]);
  expect(names(classroomStage(SLOTS, people, "camera"))).toEqual(["t1.camera", ["t1.screen"]]);
});

test("a preferred face that is not there leaves the stage to the document", () => {
  const people = [person("t1", { screen: true, document: true })];
  expect(names(classroomStage(SLOTS, people, "camera"))).toEqual(["t1.screen", []]);
});

test("a shared screen stands whatever camera is preferred", () => {
  expect(names(classroomStage(SLOTS, [person("t1", SCREEN)], "camera"))[0]).toBe("t1.screen");
  expect(names(teacherStage("t1", SCREEN, [], [], "camera"))[0]).toBe("t1.screen");
});

test("the volunteer sees the own two cameras as the classrooms do", () => {
  const own = { camera: true, screen: true, document: true };
  expect(names(teacherStage("t1", own, [], [], "document"))).toEqual(["t1.screen", []]);
  expect(names(teacherStage("t1", own, [], [], "camera"))).toEqual(["t1.camera", ["t1.screen"]]);
  expect(names(teacherStage("t1", { ...own, camera: false }, [], [], "camera"))).toEqual(["t1.screen", []]);
});
