// Generated from src/liveclass/lesson/messages.py by `python -m liveclass.lesson.typescript`. Do not edit.

export const PROTOCOL_VERSION = 1;

export type Role = "teacher" | "classroom";

export type LessonState = "waiting" | "live" | "ended";

export type RecordingState = "off" | "recording" | "paused" | "stopped" | "finished";

export type Quality = "good" | "weak" | "none" | "off";

export type SourceKind = "microphone" | "camera" | "screen";

/**
 * What a page is sending now, as its person sees it.
 *
 * Attributes:
 *     document: what goes as `screen` is the picture of a second camera, over a book or a drawing.
 */
export interface Devices {
  microphone?: boolean;
  camera?: boolean;
  screen?: boolean;
  document?: boolean;
}

/**
 * What a page receives now, measured by the page itself (getStats) and sent every two seconds.
 *
 * `off` means that nobody sends that medium; `none` that it is sent and does not arrive.
 *
 * Attributes:
 *     behind_s: how far what the room hears lies behind the live lesson while it catches up from the recording; null
 *         when it is live.
 *     used_mb: what this lesson has cost the room's data plan so far, megabytes.
 *     saves_data: the room wants sound only, by choice or because its data budget is spent.
 */
export interface Receiving {
  sound?: Quality;
  picture?: Quality;
  delay_ms?: number | null;
  kbps?: number | null;
  loss_percent?: number | null;
  behind_s?: number | null;
  used_mb?: number | null;
  saves_data?: boolean;
}

/**
 * What the relay makes of a classroom's downlink.
 *
 * Attributes:
 *     rung: empty while nothing is sent to it.
 *     kbps: what the link is believed to carry; null while that is not measured.
 *     loss_percent: of all packets sent to it, before any repair.
 */
export interface LinkState {
  rung?: "full" | "reconnecting" | "reduced" | "screen" | "sound" | "thin" | "";
  kbps?: number | null;
  loss_percent?: number | null;
}

/**
 * The first message of every socket: who is this?
 *
 * Attributes:
 *     token: the link's token (teacher or classroom).
 *     identity: made by the page once (128 random bits in hex) and kept in its storage, so that a page that comes
 *         back is the same participant, with the same mute and call state.
 *     name: what to call this participant; empty lets the server choose ("Classroom 2").
 */
export interface Hello {
  type: "hello";
  token: string;
  identity: string;
  name?: string;
  language?: string;
  version?: number;
}

export interface Rename {
  type: "rename";
  name: string;
}

/** Teachers only: the lesson goes live, and recording begins. */
export interface StartLesson {
  type: "start_lesson";
}

/** Teachers only. */
export interface EndLesson {
  type: "end_lesson";
}

export interface SetDevices {
  type: "set_devices";
  devices: Devices;
}

/** Teachers only: the classroom's microphone and camera open. */
export interface Call {
  type: "call";
  participant: string;
}

/** Teachers, or the called classroom itself. */
export interface EndCall {
  type: "end_call";
  participant: string;
}

/** Teachers only: a called classroom's microphone is closed or opened again while the call goes on. */
export interface Mute {
  type: "mute";
  participant: string;
  muted: boolean;
}

export interface Report {
  type: "report";
  receiving: Receiving;
}

/**
 * What this page wants of the live media; each `Hello` sets it back to everything, so pages say it after each.
 *
 * Attributes:
 *     live: false while the page plays from the recording: the relay then sends it nothing, to leave the link to that.
 *     ceiling: the best rung that this page wants, by the person's choice or by the lesson's data budget.
 */
export interface Watch {
  type: "watch";
  live?: boolean;
  ceiling?: "full" | "reconnecting" | "reduced" | "screen" | "sound" | "thin";
}

/** Teachers only: that classroom skips what it has missed. */
export interface JumpToLive {
  type: "jump_to_live";
  participant: string;
}

/** Answered by `Pong` at once; pages send one every 5 s and take 12 s of silence for a dead socket. */
export interface Ping {
  type: "ping";
  n?: number;
}

/** Someone in the lesson. A participant whose page is gone stays, `online` false, until the lesson ends. */
export interface Participant {
  id: string;
  role: Role;
  name: string;
  online: boolean;
  called: boolean;
  muted: boolean;
  devices: Devices;
  receiving: Receiving;
  link: LinkState;
}

/** `started_at_ms` and `starts_at_ms` are milliseconds since 1970, null when not known. */
export interface LessonInfo {
  id: string;
  title: string;
  state: LessonState;
  language: string;
  starts_at_ms: number | null;
  started_at_ms: number | null;
}

/**
 * What is recorded: `state` now, the rest from the first `Welcome` on, so that nobody starts or joins unaware.
 *
 * Attributes:
 *     classrooms: called classrooms are recorded too.
 *     problem: a stable word, empty when all is well: `disk_full`, `disk_error`.
 *     enabled: this server records lessons at all.
 */
export interface RecordingInfo {
  state: RecordingState;
  classrooms: boolean;
  problem: string;
  enabled: boolean;
}

/** What a transceiver of a subscriber's session carries now; `participant` empty: nothing. */
export interface Slot {
  mid: string;
  participant: string;
  kind: SourceKind | "";
}

/** As `RTCIceServer`: a TURN server with credentials that expire (`docs/operate.md`). */
export interface IceServer {
  urls: readonly string[];
  username?: string;
  credential?: string;
}

/**
 * The answer to `Hello`: everything a page needs to draw itself; sent again whole after each reconnect.
 *
 * Attributes:
 *     media_token: the bearer token for this participant's WHIP and WHEP requests.
 *     replay_url: set for teachers; for classrooms once the lesson is over, where the server opens replays to them.
 *     server_time_ms: so that pages with a wrong clock count down rightly.
 *     catchup_url: where the lesson's missed minutes are streamed from (`docs/api.md`), also for a while after its
 *         end; empty where nothing is recorded.
 *     ended_at_ms: when the lesson ended, milliseconds since 1970; null while it has not.
 *     ice_servers: for networks that let no UDP through; empty where the server has none.
 */
export interface Welcome {
  type: "welcome";
  you: string;
  role: Role;
  lesson: LessonInfo;
  participants: readonly Participant[];
  recording: RecordingInfo;
  media_token: string;
  whip_url: string;
  whep_url: string;
  server_time_ms: number;
  replay_url: string;
  catchup_url: string;
  ice_servers: readonly IceServer[];
  ended_at_ms: number | null;
}

export interface LessonChanged {
  type: "lesson_changed";
  lesson: LessonInfo;
}

/** Someone came, changed or went offline. */
export interface ParticipantChanged {
  type: "participant_changed";
  participant: Participant;
}

export interface ParticipantLeft {
  type: "participant_left";
  id: string;
}

export interface RecordingChanged {
  type: "recording_changed";
  recording: RecordingInfo;
}

/**
 * Which source each transceiver of this page's WHEP session carries from now on.
 *
 * Attributes:
 *     session: the last path segment of the WHEP session's Location, so that an old session's news is not mixed up.
 */
export interface SlotsChanged {
  type: "slots_changed";
  session: string;
  slots: readonly Slot[];
}

/** To a classroom itself: what its link carries now. (Teachers find every classroom's in `Participant.link`.) */
export interface LinkChanged {
  type: "link_changed";
  link: LinkState;
}

/**
 * To a publisher: which layers of one of its sources somebody takes now; the others may rest.
 *
 * Attributes:
 *     layers: empty when nobody takes any, as may happen to a classroom's camera; of a teacher's pictures the lowest
 *         is always wanted, and of every voice the full one.
 */
export interface LayersWanted {
  type: "layers_wanted";
  kind: SourceKind;
  layers: readonly ("full" | "high" | "low" | "middle" | "thin")[];
}

/** To a classroom that catches up: the volunteer asks it to skip to the live lesson. */
export interface JumpNow {
  type: "jump_now";
}

/** The server closed a WHIP or WHEP session of this page: `call_ended`, `lesson_ended`, `replaced`, `timeout`. */
export interface MediaClosed {
  type: "media_closed";
  session: string;
  reason: string;
}

/**
 * Something this page sent was refused. `code` is stable and has a text in the language files.
 *
 * Attributes:
 *     fatal: the server closes the socket; trying again with the same input is pointless.
 */
export interface ErrorMessage {
  type: "error";
  code: string;
  message: string;
  fatal: boolean;
}

export interface Pong {
  type: "pong";
  n: number;
}

export type ClientMessage =
  | Hello
  | Rename
  | StartLesson
  | EndLesson
  | SetDevices
  | Call
  | EndCall
  | Mute
  | Report
  | Watch
  | JumpToLive
  | Ping;

export type ServerMessage =
  | Welcome
  | LessonChanged
  | ParticipantChanged
  | ParticipantLeft
  | RecordingChanged
  | SlotsChanged
  | LinkChanged
  | LayersWanted
  | JumpNow
  | MediaClosed
  | ErrorMessage
  | Pong;
