/** Every state of the live pages without a server, for looking at them: `/dev/stories.html?story=class-called&lang=en`.
 * Part of no page. Pictures are drawn on a canvas. */

import { render } from "preact";
import "../style/tokens.css";
import "../style/base.css";
import "../style/live.css";
import { ClassroomModel } from "../classroom/model";
import { ClassroomPage } from "../classroom/ClassroomPage";
import type { Line, Participant, Poll, RecordingInfo, Slot } from "../generated/messages";
import type { PageLink } from "../lib/api";
import type { Board } from "../lib/board";
import { addTexts, applyToDocument, language } from "../lib/i18n";
import type { LessonView } from "../lib/lesson-view";
import { IDLE } from "../lib/link-state";
import type { LivePage } from "../lib/live-page";
import type { MediaSession } from "../lib/media-session";
import { OFF } from "../lib/media-state";
import type { Signalling } from "../lib/signalling";
import type { Seat } from "../lib/whep";
import { TeachModel } from "../teach/model";
import { TeachPage } from "../teach/TeachPage";
import { WrongLink } from "../ui/Gate";
import type { BoardKind } from "./board";
import { bring } from "../classroom/unit/Unit";
import { unitOf } from "../classroom/unit/model";
import { EMPTY_BOARD } from "../lib/board";
import { remember } from "../lib/storage";
import { type BoardScene, setScene } from "./teachboard";

addTexts(import.meta.glob("../lang/*/*.ts", { eager: true }));
const search = new URLSearchParams(location.search);
const story = search.get("story") ?? "";
language.value = search.get("lang") ?? "zh-CN";
applyToDocument();
const zh = language.value === "zh-CN";

/** A moving picture with something on it. */
function drawn(kind: "face" | "board" | "class"): MediaStream {
  const canvas = document.createElement("canvas");
  canvas.width = 1280;
  canvas.height = 720;
  const ctx = canvas.getContext("2d");
  const draw = (time: number): void => {
    if (ctx === null) return;
    if (kind === "board") {
      ctx.fillStyle = "#fdfdfb";
      ctx.fillRect(0, 0, 1280, 720);
      ctx.fillStyle = "#1e2a2f";
      ctx.font = "72px sans-serif";
      ctx.fillText(zh ? "第三课 春天来了" : "Lesson 3: Spring", 120, 180);
      ctx.font = "48px sans-serif";
      [1, 2, 3].forEach((n) => ctx.fillText(`${n}.  ${"▁".repeat(9 + n * 4)}`, 140, 240 + n * 100));
    } else {
      const wall = ctx.createLinearGradient(0, 0, 1280, 720);
      wall.addColorStop(0, kind === "face" ? "#8fb3a6" : "#d4b483");
      wall.addColorStop(1, kind === "face" ? "#4e7a6c" : "#7b5d3a");
      ctx.fillStyle = wall;
      ctx.fillRect(0, 0, 1280, 720);
      const heads = kind === "face" ? [[640, 330, 150]] : [[300, 420, 70], [520, 400, 70], [760, 420, 70], [980, 400, 70]];
      for (const [x = 0, y = 0, r = 0] of heads) {
        ctx.fillStyle = "#2c3e50";
        ctx.fillRect(x - r * 1.4, y + r * 0.9, r * 2.8, 720);
        ctx.fillStyle = "#e8c39e";
        ctx.beginPath();
        ctx.arc(x, y + Math.sin(time / 400 + x) * 6, r, 0, 7);
        ctx.fill();
      }
    }
  };
  draw(0);
  setInterval(() => draw(performance.now()), 100);
  return canvas.captureStream(10);
}

/** A sound track that says nothing. */
function hum(): MediaStreamTrack | null {
  return new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0] ?? null;
}

const person = (id: string, role: "teacher" | "classroom", name: string, more: Partial<Participant> = {}): Participant => ({
  id,
  role,
  name,
  online: true,
  called: false,
  muted: false,
  devices: {},
  receiving: {},
  link: { rung: "full", kbps: 620, loss_percent: 1.4 },
  ...more,
});

const word = (chinese: string, english: string): string => (zh ? chinese : english);

function lesson(state: "waiting" | "live" | "ended", you: string, participants: Participant[], recording?: Partial<RecordingInfo>): LessonView {
  return {
    you,
    lesson: {
      id: "abc",
      title: word("三年级语文：春天来了", "Grade 3 Chinese: Spring is here"),
      state,
      language: "zh-CN",
      starts_at_ms: state === "waiting" ? Date.now() + 754_000 : null,
      started_at_ms: state === "live" ? Date.now() - 1_322_000 : null,
      lead: you === "t1" ? "t1" : "",
    },
    participants,
    recording: { state: state === "live" ? "recording" : "off", classrooms: false, problem: "", enabled: true, ...recording },
    replayUrl: state === "ended" ? "https://class.example.org/replay/k3v9qz#Zx81bGk2Jt0pXqYw5nRm3A" : "",
    slots: [{ session: "s", slots: slots(you) }],
    clockOffsetMs: 0,
  };
}

const slots = (you: string): Slot[] => [
  { mid: "4", participant: you === "t1" ? "" : "t1", kind: "camera" },
  { mid: "5", participant: you === "t1" ? "" : "t1", kind: "screen" },
  { mid: "6", participant: "t2", kind: "camera" },
  { mid: "7", participant: you === "c1" ? "c9" : "c1", kind: "camera" },
];

function seats(): Seat[] {
  const seat = (mid: string, kind: "face" | "board" | "class"): Seat =>
    ({ mid, kind: "video", stream: drawn(kind) }) as unknown as Seat;
  return [seat("4", "face"), seat("5", "board"), seat("6", "face"), seat("7", "class")];
}

/** Reach into the machines: a story shows states that take minutes to come about. */
function force(target: Signalling | MediaSession, state: object): void {
  (Reflect.get(target, "state") as { value: object }).value = state;
}

function settle(page: LivePage, view: LessonView | null, net: string): void {
  const now = performance.now();
  page.signalling.view.value = view;
  const lost = net === "lost" || net === "socket";
  if (view !== null) force(page.signalling, { ...IDLE, phase: lost ? "waiting" : "ready", lostSinceMs: lost ? now - 12_000 : null });
  force(page.subscriber.session, { ...OFF, phase: net === "lost" || net === "media" ? "waiting" : "up", lostSinceMs: net === "" ? null : now - 12_000 });
  page.subscriber.seats.value = seats();
}

const teacher = (devices: Participant["devices"]): Participant => person("t1", "teacher", word("王小雨", "Xiaoyu"), { devices });
const called = { called: true, devices: { microphone: true, camera: true } };
const good = { sound: "good", picture: "good", delay_ms: 310, kbps: 412, loss_percent: 1.4, behind_s: null, used_mb: 12.4, saves_data: false } as const;

function classrooms(): Participant[] {
  return [
    person("c1", "classroom", word("马尾小学 三（2）班", "Mawei School, Class 3-2"), { receiving: good }),
    person("c2", "classroom", word("青山小学 三年级", "Qingshan School"), { receiving: { ...good, picture: "none" } }),
    person("c3", "classroom", word("教室 3", "Classroom 3"), { receiving: { ...good, sound: "weak", picture: "none" } }),
    person("c4", "classroom", word("石门小学", "Shimen School"), { online: false }),
    person("c5", "classroom", word("龙泉小学 三（1）班", "Longquan School, Class 3-1"), { receiving: good }),
  ];
}

/** A lesson of many rooms on links of every kind. */
function manyRooms(): Participant[] {
  const links: Partial<Participant>[] = [
    { link: { rung: "full", kbps: 1_850, loss_percent: 0.4 }, receiving: good },
    { link: { rung: "reduced", kbps: 420, loss_percent: 3.1 }, receiving: { ...good, delay_ms: 1_600, kbps: 260 } },
    { link: { rung: "screen", kbps: 260, loss_percent: 6 }, receiving: { ...good, picture: "none" } },
    { link: { rung: "sound", kbps: 90, loss_percent: 8 }, receiving: { ...good, picture: "none" } },
    { link: { rung: "sound", kbps: 1_900, loss_percent: 0 }, receiving: { ...good, picture: "none", saves_data: true } },
    { link: { rung: "thin", kbps: 52, loss_percent: 12.5 }, receiving: { ...good, picture: "none" } },
    { link: { rung: "full", kbps: 700, loss_percent: 1 }, receiving: { ...good, behind_s: 244 } },
    { link: { rung: "reconnecting" }, receiving: { sound: "none", picture: "none" } },
  ];
  const places = zh ? ["马尾", "青山", "石门", "龙泉", "白水", "云台", "柳林"] : ["Mawei", "Qingshan", "Shimen", "Longquan", "Baishui", "Yuntai", "Liulin"];
  return Array.from({ length: 21 }, (_, n): Participant => {
    const place = places[n % places.length] ?? "";
    const name = word(`${place}小学 ${1 + Math.floor(n / 7)} 年级`, `${place} School, Grade ${1 + Math.floor(n / 7)}`);
    return person(`m${n}`, "classroom", name, n < 8 ? links[n] : { receiving: good });
  });
}

function classStory(): ClassroomModel {
  const link: PageLink = { kind: "class", lesson: "abc", token: "x".repeat(22) };
  const model = new ClassroomModel(link);
  // No server answers here, and the page would say so over every story.
  Reflect.get(model.page, "ahead").value = false;
  const mine = person("c1", "classroom", word("三（2）班", "Class 3-2"));
  model.entered.value = story !== "class-enter" && story !== "class-live-enter";
  model.probing.value = false;
  model.hearing.begun.value = true;
  model.receiving.value = { ...good };
  const both = { microphone: true, camera: true };
  const live = (people: Participant[]): LessonView => lesson("live", "c1", people);
  remember("heads", "34");
  remember("thumbnail", "no");
  const at = (what: "hand" | "chat" | "timer"): void => {
    const now = Date.now();
    const line = (seq: number, by: string, role: "teacher" | "classroom", name: string, text: string): Line => ({ seq, at_ms: now - 90_000 + seq, by, role, name, text });
    const xiaoyu = word("王小雨", "Xiaoyu");
    const { board } = model.page;
    if (what === "hand") board.value = { ...board.value, hands: [{ participant: "c1", at_ms: now - 40_000 }], signs: [{ participant: "c1", sign: "slower", at_ms: now - 5_000 }] };
    if (what === "timer") board.value = { ...board.value, timer: { seconds: 300, at_ms: now - 53_000 } };
    if (what === "chat") {
      const chat = [
        line(1, "t1", "teacher", xiaoyu, "#sign:turn_camera"),
        line(2, "c1", "classroom", mine.name, word("好的，马上", "Yes, at once")),
        line(3, "c1", "classroom", mine.name, "#sign:ready"),
        line(4, "t1", "teacher", xiaoyu, word("下面请同学们两个人一组，互相读一遍课文。", "Next the pupils read the text to each other in pairs.")),
      ];
      board.value = { ...board.value, chat };
    }
  };
  const ask = (state: Poll["state"], answers: number, more?: () => void): void => {
    const texts = zh ? ["春天", "夏天", "秋天", "冬天", "一年四季都有", "课文里没有写"] : ["Spring", "Summer", "Autumn", "Winter", "In all four seasons", "The text does not say"];
    const choices = texts.slice(0, answers === 2 ? 6 : 4);
    const poll: Poll = {
      poll: "p1",
      question: word("燕子是在哪个季节从南方飞回来的？", "In which season do swallows come back from the south?"),
      choices,
      state,
      right: state === "revealed" ? 0 : null,
      answers: [mine, ...classrooms().slice(1), ...manyRooms()].slice(answers === 2 ? 1 : 0, answers).map((one, n) => ({ participant: one.id, name: one.name, counts: choices.map((_, k) => [17, 9, 5, 3, 2, 0][(n + k * (1 + (n % 2))) % 4] ?? 0) })),
    };
    // Results stand where the class saw them come.
    Reflect.get(unitOf(model), "changed").value = { id: "p1", atMs: Date.now(), closed: false };
    model.page.board.value = { ...EMPTY_BOARD, polls: [poll] };
    more?.();
    settle(model.page, live([teacher({ ...both, screen: true }), mine, ...classrooms().slice(1)]), "");
  };
  const stories: Record<string, () => void> = {
    "class-connecting": () => settle(model.page, null, "lost"),
    "class-enter": () => settle(model.page, lesson("waiting", "c1", [mine]), ""),
    "class-waiting": () => settle(model.page, lesson("waiting", "c1", [teacher({}), mine]), ""),
    "class-check": () => {
      settle(model.page, lesson("waiting", "c1", [teacher({}), mine]), "");
      setTimeout(() => document.querySelector<HTMLButtonElement>(".check-open")?.click(), 50);
    },
    "class-live": () => settle(model.page, live([teacher(both), mine]), ""),
    "class-live-enter": () => settle(model.page, live([teacher(both), mine]), ""),
    "class-screen": () => settle(model.page, live([teacher({ ...both, screen: true }), mine]), ""),
    "class-voice": () => settle(model.page, live([teacher({ microphone: true }), mine]), ""),
    "class-weak": () => {
      model.receiving.value = { ...good, picture: "none" };
      settle(model.page, live([teacher({ ...both, screen: true }), mine]), "");
    },
    "class-sound": () => {
      model.receiving.value = { ...good, picture: "none" };
      settle(model.page, { ...live([teacher(both), mine]), link: { rung: "sound", kbps: 90, loss_percent: 6 } }, "");
    },
    "class-behind": () => {
      settle(model.page, live([teacher(both), mine]), "");
      model.hearing.playsRecording.value = true;
      model.hearing.behindS.value = 245;
      model.hearing.phase.value = "catching";
    },
    "class-following": () => {
      settle(model.page, live([teacher(both), mine]), "");
      model.hearing.playsRecording.value = true;
      model.hearing.behindS.value = 6;
      model.hearing.phase.value = "following";
    },
    "class-finishing": () => {
      settle(model.page, lesson("ended", "c1", [teacher(both), mine]), "");
      model.hearing.playsRecording.value = true;
      model.hearing.phase.value = "catching";
    },
    "class-finishing-cut": () => {
      settle(model.page, lesson("ended", "c1", [teacher(both), mine]), "lost");
      model.hearing.phase.value = "lost";
      model.hearing.lostSinceMs.value = performance.now() - 72_000;
    },
    "class-missed": () => {
      settle(model.page, live([teacher(both), mine]), "");
      model.hearing.inReplay.value = true;
    },
    "class-cut": () => {
      settle(model.page, live([teacher(both), mine]), "");
      model.hearing.lostSinceMs.value = performance.now() - 72_000;
    },
    "class-thin": () => {
      model.receiving.value = { ...good, picture: "none" };
      settle(model.page, { ...live([teacher(both), mine]), link: { rung: "thin", kbps: 40, loss_percent: 12 } }, "");
    },
    "class-reconnecting": () => {
      settle(model.page, { ...live([teacher(both), mine]), link: { rung: "reconnecting", kbps: 20, loss_percent: 40 } }, "");
    },
    "class-spent": () => {
      model.meter.budgetMb.value = 50;
      model.meter.bytes.value = 51_000_000;
      settle(model.page, live([teacher(both), mine]), "");
    },
    "class-budget": () => {
      model.meter.budgetMb.value = 50;
      model.meter.bytes.value = 41_200_000;
      settle(model.page, live([teacher(both), mine]), "");
    },
    "class-lost": () => settle(model.page, live([teacher({ ...both, screen: true }), mine]), "lost"),
    "class-called": () => {
      const view = live([teacher({ ...both, screen: true }), { ...mine, ...called }]);
      model.microphone.open = () => Promise.resolve();
      model.camera.open = () => Promise.resolve();
      settle(model.page, view, "");
      const track = drawn("class").getVideoTracks()[0] ?? null;
      model.camera.track.value = track;
      model.microphone.track.value = hum();
      force(model.publisher.session, { ...OFF, phase: "up" });
    },
    "class-heads": () => {
      remember("heads", "");
      settle(model.page, lesson("waiting", "c1", [teacher({}), mine]), "");
    },
    "class-consent": () => {
      remember("heads", "34");
      remember("thumbnail", "");
      settle(model.page, lesson("waiting", "c1", [teacher({}), mine]), "");
    },
    "class-hand": () => {
      settle(model.page, live([teacher(both), mine]), "");
      at("hand");
      unitOf(model).notice.value = "unit.sign.seen";
    },
    "class-signs": () => {
      settle(model.page, live([teacher(both), mine]), "");
      unitOf(model).open("signs");
    },
    "class-chat": () => {
      settle(model.page, live([teacher({ ...both, screen: true }), mine]), "");
      at("chat");
      unitOf(model).open("chat");
    },
    "class-unread": () => {
      settle(model.page, live([teacher({ ...both, screen: true }), mine]), "");
      at("chat");
    },
    "class-timer": () => {
      settle(model.page, live([teacher({ ...both, screen: true }), mine]), "");
      at("timer");
    },
    "class-picked": () => {
      settle(model.page, live([teacher(both), mine]), "");
      unitOf(model).picked.value = { name: mine.name, us: true };
    },
    "class-picked-other": () => {
      settle(model.page, live([teacher(both), mine]), "");
      unitOf(model).picked.value = { name: word("青山小学 三年级", "Qingshan School"), us: false };
    },
    "class-poll": () => ask("open", 0),
    "class-poll-six": () => ask("open", 2),
    "class-poll-sent": () => ask("open", 3, () => at("timer")),
    "class-poll-cards": () => {
      ask("open", 0);
      setTimeout(() => document.querySelector<HTMLButtonElement>("[data-test=poll-cards]")?.click(), 50);
    },
    "class-poll-closed": () => ask("closed", 3),
    "class-poll-revealed": () => ask("revealed", 6),
    "class-ended": () => settle(model.page, lesson("ended", "c1", [mine]), ""),
    "class-left": () => (model.page.left.value = true),
  };
  stories[story]?.();
  return model;
}

/** A board on which much is going on: hands and signs, a question with answers, a chat, a timer. */
function asked(model: TeachModel): void {
  const now = Date.now();
  const rooms = model.rooms.classrooms.value;
  const id = (place: number): string => rooms[place % rooms.length]?.id ?? "";
  const question = { poll: "p2", question: word("春天来了，什么先开花？", "Spring is here. What blossoms first?") };
  const choices = [word("荷花", "Lotus"), word("桃花", "Peach"), word("菊花", "Chrysanthemum"), word("梅花", "Plum")];
  const answers = rooms.slice(0, 7).map((one, n) => ({ participant: one.id, name: one.name, counts: [3 + n, 14 - n, 2, (n * 5) % 7] }));
  const line = (seq: number, by: string, role: "teacher" | "classroom", name: string, text: string): Board["chat"][number] => ({
    seq, at_ms: now - 400_000 + seq * 60_000, by, name, role, text,
  });
  model.page.board.value = {
    ...model.page.board.value,
    seq: 9,
    at_ms: now,
    timer: { seconds: 120, at_ms: now - 37_000 },
    heads: rooms.map((one, n) => ({ participant: one.id, heads: 24 + ((n * 7) % 19) })),
    hands: [{ participant: id(1), at_ms: now - 72_000 }, { participant: id(12), at_ms: now - 21_000 }, { participant: id(0), at_ms: now - 4_000 }],
    signs: [{ participant: id(0), sign: "cannot_hear", at_ms: now }, { participant: id(4), sign: "slower", at_ms: now }],
    polls: [
      { poll: "p1", question: "", choices: ["", "", "", ""], state: "revealed", right: 0, answers: answers.slice(0, 2) },
      { ...question, choices, state: "open", right: null, answers },
    ],
    chat: [
      line(1, "t1", "teacher", word("王小雨", "Xiaoyu"), "#sign:ready_ask"),
      line(2, id(0), "classroom", rooms[0]?.name ?? "", "#sign:ready"),
      line(3, id(1), "classroom", rooms[1]?.name ?? "", word("我们这里停过电，刚刚回来。", "We had a power cut and are back now.")),
    ],
    drawing: [id(0)],
  };
}

function teachStory(): TeachModel {
  const model = new TeachModel({ kind: "teach", lesson: "abc", token: "x".repeat(22) });
  model.joined.value = story !== "teach-join";
  const track = drawn("face").getVideoTracks()[0] ?? null;
  model.camera.track.value = track;
  model.microphone.track.value = hum();
  model.meter.follow(null);
  model.meter.level.value = 0.62;
  const me = teacher({ microphone: true, camera: true });
  const live = (people: Participant[], recording?: Partial<RecordingInfo>): LessonView => lesson("live", "t1", [me, ...people], recording);
  force(model.publisher.session, { ...OFF, phase: "up" });
  model.publisher.availableBps.value = 2_400_000;
  const stories: Record<string, () => void> = {
    "teach-before": () => settle(model.page, lesson("waiting", "t1", [me, ...classrooms()]), ""),
    "teach-alone": () => {
      model.camera.track.value = null;
      model.camera.trouble.value = "refused";
      model.microphone.track.value = null;
      model.microphone.trouble.value = "refused";
      settle(model.page, lesson("waiting", "t1", [me]), "");
    },
    "teach-join": () => settle(model.page, live(classrooms()), ""),
    "teach-live": () => settle(model.page, live(classrooms()), ""),
    "teach-two": () => {
      const second = person("t2", "teacher", word("李老师", "Mr Li"), { devices: { microphone: true, camera: true } });
      settle(model.page, live([second, ...classrooms()]), "");
    },
    "teach-screen": () => {
      model.screen.value = drawn("board").getVideoTracks()[0] ?? null;
      settle(model.page, live(classrooms()), "");
    },
    "teach-hands": () => {
      settle(model.page, live(manyRooms()), "");
      asked(model);
      model.rooms.panel.value = "hands";
    },
    "teach-asking": () => {
      settle(model.page, live(manyRooms()), "");
      model.rooms.panel.value = "ask";
    },
    "teach-answers": () => {
      settle(model.page, live(manyRooms()), "");
      asked(model);
      model.rooms.panel.value = "ask";
    },
    "teach-revealed": () => {
      settle(model.page, live(classrooms()), "");
      asked(model);
      const { polls } = model.page.board.value;
      const right = polls.map((one) => ({ ...one, state: "revealed", right: 1 }) as const);
      model.page.board.value = { ...model.page.board.value, polls: right };
      model.rooms.panel.value = "ask";
      setTimeout(() => document.querySelector<HTMLElement>(".earlier summary")?.click(), 50);
      setTimeout(() => document.querySelector<HTMLElement>(".earlier-poll")?.click(), 90);
    },
    "teach-chatting": () => {
      settle(model.page, live(classrooms()), "");
      asked(model);
      model.rooms.panel.value = "chat";
    },
    "teach-timer": () => {
      settle(model.page, live(classrooms()), "");
      asked(model);
      model.rooms.panel.value = "timer";
    },
    "teach-picked": () => {
      settle(model.page, live(classrooms()), "");
      model.rooms.picked.value = "c1";
    },
    "teach-forty": () => {
      settle(model.page, live(manyRooms()), "");
      asked(model);
      const data = document.createElement("canvas");
      [data.width, data.height] = [160, 90];
      const paint = data.getContext("2d");
      if (paint !== null) {
        paint.fillStyle = "#d4b483";
        paint.fillRect(0, 0, 160, 90);
        paint.fillStyle = "#2c3e50";
        [20, 60, 100, 140].forEach((x) => paint.fillRect(x - 12, 45, 24, 45));
      }
      const still = { url: data.toDataURL(), atMs: performance.now() };
      Reflect.get(model.rooms, "stills").value = new Map(["m0", "m1", "m4"].map((id) => [id, still]));
    },
    "teach-rooms": () => {
      settle(model.page, live(classrooms().slice(0, 2)), "");
      asked(model);
    },
    "teach-many": () => settle(model.page, live(manyRooms()), ""),
    "teach-figures": () => {
      settle(model.page, live(manyRooms().slice(5, 8)), "");
      setTimeout(() => document.querySelectorAll<HTMLButtonElement>(".figures").forEach((one) => one.click()), 50);
    },
    "teach-uplink": () => {
      model.publisher.uplink.value = { ...model.publisher.uplink.value, rest: "camera" };
      model.publisher.availableBps.value = 90_000;
      settle(model.page, live(classrooms()), "");
    },
    "teach-called": () => {
      const all = classrooms();
      all[0] = { ...(all[0] as Participant), ...called };
      settle(model.page, live(all), "");
    },
    "teach-trouble": () => {
      model.muted.value = true;
      model.camera.track.value = null;
      model.camera.trouble.value = "unplugged";
      settle(model.page, live(classrooms(), { state: "stopped", problem: "disk_full" }), "");
    },
    "teach-lost": () => {
      force(model.publisher.session, { ...OFF, phase: "waiting", lostSinceMs: performance.now() - 12_000 });
      settle(model.page, live(classrooms()), "lost");
    },
    "teach-ended": () => settle(model.page, lesson("ended", "t1", [me], { state: "finished" }), ""),
    "teach-before-music": () => settle(model.page, lesson("waiting", "t1", [me, ...manyRooms()]), ""),
    "teach-materials": () => settle(model.page, live(classrooms()), ""),
    "teach-slide": () => settle(model.page, live(classrooms()), ""),
    "teach-blank": () => settle(model.page, live(classrooms()), ""),
    "teach-song": () => settle(model.page, live(classrooms()), ""),
  };
  stories[story]?.();
  const scenes: Record<string, BoardScene> = {
    "teach-before-music": "music",
    "teach-materials": "drawer",
    "teach-slide": "slide",
    "teach-blank": "blank",
    "teach-song": "song",
  };
  setScene(model, scenes[story] ?? "none", zh);
  force(model.publisher.session, story === "teach-lost" ? { ...OFF, phase: "waiting", lostSinceMs: performance.now() - 12_000 } : { ...OFF, phase: "up" });
  return model;
}

function boardStory(into: HTMLElement): void {
  const show = (kind: BoardKind): void =>
    void import("./board").then(({ BoardStory }) => render(<BoardStory kind={kind} zh={zh} />, into));
  const stories: Record<string, () => void> = {
    "board-blank": () => show("blank"),
    "board-full": () => show("full"),
    "board-clear": () => show("clear"),
    "board-slides": () => show("slides"),
    "board-classroom": () => show("classroom"),
    "board-watch": () => show("watch"),
  };
  stories[story]?.();
}

const root = document.getElementById("app");
if (root !== null) {
  if (story.indexOf("class") === 0) {
    // As a page that has had its first sound.
    void import("../classroom/classroom.css")
      .then(bring)
      .then(() => render(<ClassroomPage model={classStory()} />, root));
  } else if (story.indexOf("teach") === 0) {
    // One after the other: the later sheets build on the earlier ones.
    void import("../teach/before.css")
      .then(() => import("../teach/lesson.css"))
      .then(() => import("../teach/bar.css"))
      .then(() => import("../teach/class/rooms.css"))
      .then(() => import("../teach/class/panels.css"))
      .then(() => import("../teach/board/index"))
      .then(() => render(<TeachPage model={teachStory()} />, root));
  } else if (story.indexOf("board") === 0) {
    boardStory(root);
  } else {
    render(<WrongLink />, root);
  }
}
