// Generated from src/liveclass/lesson/protocol.py by `python -m liveclass.lesson.typescript`. Do not edit.

export const PROTOCOL_VERSION = 1;

export type Role = "teacher" | "classroom";

export type LessonState = "waiting" | "live" | "ended";

export type RecordingState = "off" | "recording" | "paused" | "stopped" | "finished";

export type Quality = "good" | "weak" | "none" | "off";

export type SourceKind = "microphone" | "camera" | "screen";

export type Tool = "pen" | "highlighter" | "line" | "rectangle" | "ellipse" | "text";

export type StageKind = "live" | "page" | "film";

export type CameraKind = "camera" | "document";

export type Mode = "speech" | "music" | "detail" | "motion";

export type Sign = "cannot_hear" | "cannot_see" | "slower" | "again" | "";

export type Cause = "undo" | "redo" | "erase" | "clear";

export type MaterialKind = "deck" | "song" | "film";

export type MaterialState = "working" | "ready" | "failed";

export type PollState = "open" | "closed" | "revealed";

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

/**
 * `started_at_ms` and `starts_at_ms` are milliseconds since 1970, null when not known.
 *
 * Attributes:
 *     lead: the participant who leads, so that a page offers a co-volunteer nothing that is refused; empty while
 *         nobody has taught.
 */
export interface LessonInfo {
  id: string;
  title: string;
  state: LessonState;
  language: string;
  starts_at_ms: number | null;
  started_at_ms: number | null;
  lead: string;
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
 *     owner: which process has the lesson, as the answer to an offer says in `Liveclass-Owner`: media sessions of
 *         another one are gone.
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
  owner: string;
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

/**
 * Answers `Ping` at once.
 *
 * Attributes:
 *     at_ms: the time line's clock, as in the `at_ms` of what happened: with the round trip a page knows that clock to
 *         a fraction of it, and songs and films run in step.
 */
export interface Pong {
  type: "pong";
  n: number;
  at_ms: number;
}

/**
 * What all are to look at: the live pictures (`source` first), a page, or a film.
 *
 * Attributes:
 *     page: with `page`: its key; a blank board that is not there yet is added when it is the next one.
 *     material: with `film`: which.
 */
export interface Show {
  type: "show";
  stage: StageKind;
  page?: string | null;
  material?: string | null;
  source?: CameraKind;
}

/** A stroke begins; see `lesson.events` for `points`. A text is done with this one message, `width` its height. */
export interface Draw {
  type: "draw";
  id: string;
  page: string;
  tool: Tool;
  color: string;
  width: number;
  points: readonly number[];
  text?: string;
}

/** The own stroke `id` goes on, at most 20 times a second. */
export interface DrawMore {
  type: "draw_more";
  id: string;
  points: readonly number[];
  done?: boolean;
}

export interface Erase {
  type: "erase";
  page: string;
  ids: readonly string[];
}

/** Take back what this participant last did on the page. */
export interface Undo {
  type: "undo";
  page: string;
}

export interface Redo {
  type: "redo";
  page: string;
}

export interface Clear {
  type: "clear";
  page: string;
}

/** The laser pointer, on the page that is shown; `off` when it is taken away. */
export interface Point {
  type: "point";
  x?: number;
  y?: number;
  off?: boolean;
}

/** Answered by `page`: its strokes as they stand. */
export interface GetPage {
  type: "get_page";
  page: string;
}

/** A song or film plays or stands, from `position_ms`. */
export interface Play {
  type: "play";
  material: string;
  playing: boolean;
  position_ms: number;
}

/** What kind of lesson it is now, which sound and picture follow. */
export interface SetMode {
  type: "set_mode";
  mode: Mode;
}

/** A classroom: how many pupils are here. */
export interface SetHeads {
  type: "set_heads";
  heads: number;
}

/** A classroom has a question, or no more. */
export interface RaiseHand {
  type: "hand";
  up: boolean;
}

/** A classroom to the volunteers; empty takes it back. */
export interface GiveSign {
  type: "sign";
  sign: Sign;
}

/** Teachers: the question of that classroom is answered, and its sign is seen. */
export interface LowerHand {
  type: "lower_hand";
  participant: string;
}

/** Teachers: chance chooses one of the classrooms that are here. */
export interface Pick {
  type: "pick";
}

/** Teachers: a timer that all see; 0 takes it away. */
export interface SetTimer {
  type: "set_timer";
  seconds: number;
}

/** Teachers: a question with choices; those that were open are closed. */
export interface OpenPoll {
  type: "open_poll";
  question: string;
  choices: readonly string[];
}

/** A classroom: how many pupils chose each. */
export interface GiveAnswer {
  type: "answer";
  poll: string;
  counts: readonly number[];
}

export interface ClosePoll {
  type: "close_poll";
  poll: string;
}

/** Teachers: which choice is right (from 0; null: none is); the poll is closed by it. */
export interface Reveal {
  type: "reveal";
  poll: string;
  right: number | null;
}

export interface Chat {
  type: "chat";
  text: string;
}

/** Teachers: a place that the replay lists as a chapter. */
export interface Mark {
  type: "mark";
  text?: string;
}

/** Teachers: that classroom may draw on its board, or no more. */
export interface LetDraw {
  type: "let_draw";
  participant: string;
  may: boolean;
}

/** Teachers: whose tiles are on the screen now, so whose thumbnails are worth their bytes. */
export interface Thumbnails {
  type: "thumbnails";
  of: readonly string[];
}

/** A classroom that was asked for it: its camera's picture as a small WebP or JPEG in base64. */
export interface Thumbnail {
  type: "thumbnail";
  data: string;
}

/** A classroom: so many files of a material are on its disk. */
export interface MaterialsReady {
  type: "materials_ready";
  material: string;
  have: number;
  total: number;
}

/**
 * A deck, song or film of the lesson.
 *
 * Attributes:
 *     done: pages that can be shown, of a deck; percent, of a song or film; `total` the same when it is ready.
 *     manifest: SHA-256 of the newest manifest in hex (`docs/api.md`); empty before there is one.
 *     problem: why it failed, a stable word.
 */
export interface Material {
  id: string;
  kind: MaterialKind;
  name: string;
  state?: MaterialState;
  done?: number;
  total?: number;
  manifest?: string;
  bytes?: number;
  duration_ms?: number;
  problem?: string;
}

/** One stroke as it stands. */
export interface Stroke {
  id: string;
  by: string;
  tool: Tool;
  color: string;
  width: number;
  points: readonly number[];
  text?: string;
}

/** What all look at: the live pictures, a page, or a film. */
export interface StageShown {
  type: "stage_shown";
  stage: StageKind;
  page?: string;
  material?: string;
  source?: CameraKind;
}

/** `done`: nothing more comes, as of a text. */
export interface StrokeBegun {
  type: "stroke_begun";
  id: string;
  page: string;
  tool: Tool;
  color: string;
  width: number;
  points: readonly number[];
  text?: string;
  done?: boolean;
}

/** More points; of a line, rectangle or ellipse the new end instead, as it is. */
export interface StrokeGrew {
  type: "stroke_grew";
  id: string;
  page: string;
  points: readonly number[];
  done?: boolean;
}

export interface StrokesHidden {
  type: "strokes_hidden";
  page: string;
  ids: readonly string[];
  cause: Cause;
}

export interface StrokesShown {
  type: "strokes_shown";
  page: string;
  ids: readonly string[];
  cause: Cause;
}

/** The laser pointer of whoever did it, on the page that is shown. */
export interface Pointed {
  type: "pointed";
  x?: number;
  y?: number;
  off?: boolean;
}

export interface MaterialChanged {
  type: "material_changed";
  material: Material;
}

export interface MaterialRemoved {
  type: "material_removed";
  id: string;
}

/** A song or film: at the event's time it stood at `position_ms`, and runs from there or stands. */
export interface Played {
  type: "played";
  material: string;
  playing: boolean;
  position_ms: number;
}

export interface ModeSet {
  type: "mode_set";
  mode: Mode;
}

export interface HeadsSet {
  type: "heads_set";
  participant: string;
  heads: number;
}

export interface HandRaised {
  type: "hand_raised";
  participant: string;
}

export interface HandLowered {
  type: "hand_lowered";
  participant: string;
}

/** Empty: taken back. */
export interface SignGiven {
  type: "sign_given";
  participant: string;
  sign: Sign;
}

/** Chance has chosen this classroom. */
export interface Picked {
  type: "picked";
  participant: string;
}

/** Runs from the event's time; 0: there is none any more. */
export interface TimerSet {
  type: "timer_set";
  seconds: number;
}

export interface PollOpened {
  type: "poll_opened";
  poll: string;
  question: string;
  choices: readonly string[];
}

/** How many of the classroom chose each; what it said before counts no more. */
export interface PollAnswered {
  type: "poll_answered";
  poll: string;
  participant: string;
  name: string;
  counts: readonly number[];
}

export interface PollClosed {
  type: "poll_closed";
  poll: string;
}

/** `right`: which choice is right, from 0; null where none is. */
export interface PollRevealed {
  type: "poll_revealed";
  poll: string;
  right: number | null;
}

/** A line of the adults' chat. */
export interface Said {
  type: "said";
  name: string;
  role: Role;
  text: string;
}

/** A place that the replay lists as a chapter. */
export interface Marked {
  type: "marked";
  text: string;
}

export interface DrawingAllowed {
  type: "drawing_allowed";
  participant: string;
  may: boolean;
}

export interface Joined {
  type: "joined";
  participant: string;
  name: string;
  role: Role;
}

export interface Left {
  type: "left";
  participant: string;
}

export interface Called {
  type: "called";
  participant: string;
}

export interface CallEnded {
  type: "call_ended";
  participant: string;
}

/** What a classroom gets from now on: the rung of its link, and how far it lies behind. */
export interface Received {
  type: "received";
  participant: string;
  rung?: "full" | "reconnecting" | "reduced" | "screen" | "sound" | "thin" | "";
  behind_s?: number;
}

export interface LessonBegan {
  type: "lesson_started";
}

export interface LessonOver {
  type: "lesson_ended";
}

/** The recording runs from here on, as part `number` from 1. */
export interface PartBegan {
  type: "part_began";
  number: number;
}

/**
 * One event of the timeline.
 *
 * Attributes:
 *     seq: from 1, without gaps in the log; pages miss the numbers of events that they are not told of.
 *     at_ms: milliseconds since 1970 on the server, never smaller than the event before it.
 *     by: the participant who did it; empty: the server.
 */
export interface Happened {
  type: "happened";
  seq: number;
  at_ms: number;
  by: string;
  event: StageShown | StrokeBegun | StrokeGrew | StrokesHidden | StrokesShown | Pointed | MaterialChanged | MaterialRemoved | Played | ModeSet | HeadsSet | HandRaised | HandLowered | SignGiven | Picked | TimerSet | PollOpened | PollAnswered | PollClosed | PollRevealed | Said | Marked | DrawingAllowed | Joined | Left | Called | CallEnded | Received | LessonBegan | LessonOver | PartBegan;
}

/** What all look at, and the live picture that comes first. */
export interface Stage {
  stage: StageKind;
  page: string;
  material: string;
  source: CameraKind;
}

/** A song or film as last ordered: at `at_ms` it stood at `position_ms`. */
export interface Player {
  material: string;
  playing: boolean;
  position_ms: number;
  at_ms: number;
}

export interface Timer {
  seconds: number;
  at_ms: number;
}

export interface Hand {
  participant: string;
  at_ms: number;
}

export interface SignUp {
  participant: string;
  sign: Sign;
  at_ms: number;
}

export interface Heads {
  participant: string;
  heads: number;
}

export interface Answer {
  participant: string;
  name: string;
  counts: readonly number[];
}

/** `right` is null until it is revealed. */
export interface Poll {
  poll: string;
  question: string;
  choices: readonly string[];
  state: PollState;
  right: number | null;
  answers: readonly Answer[];
}

/** A line of chat. */
export interface Line {
  seq: number;
  at_ms: number;
  by: string;
  name: string;
  role: Role;
  text: string;
}

/**
 * The present state, told after each `welcome`.
 *
 * Attributes:
 *     seq: of the last event in it; events up to that number are to be ignored.
 *     strokes: of the page that is shown; those of other pages are asked for by `get_page`.
 *     boards: how many blank boards there are.
 *     hands: in the order they were raised.
 *     pages: pages that hold strokes.
 *     polls: the newest last, as many as are kept.
 *     chat: the newest last, as many as are kept; `drawing`: classrooms that may draw.
 */
export interface BoardState {
  type: "board";
  seq: number;
  at_ms: number;
  stage: Stage;
  strokes: readonly Stroke[];
  pages: readonly string[];
  boards: number;
  materials: readonly Material[];
  player: Player | null;
  timer: Timer | null;
  mode: Mode;
  heads: readonly Heads[];
  hands: readonly Hand[];
  signs: readonly SignUp[];
  picked: string;
  polls: readonly Poll[];
  chat: readonly Line[];
  drawing: readonly string[];
}

/** Answers `get_page`. */
export interface PageStrokes {
  type: "page";
  page: string;
  seq: number;
  strokes: readonly Stroke[];
}

/** To a teacher: a classroom as its camera saw it just now; `data` is a small WebP or JPEG in base64. */
export interface ThumbnailOf {
  type: "thumbnail_of";
  participant: string;
  data: string;
}

/** To a classroom: a teacher sees its tile; send a thumbnail every so often; 0: no more. */
export interface ThumbnailWanted {
  type: "thumbnail_wanted";
  every_s: number;
}

/** To teachers: how much of a material a classroom has on its disk, in files. */
export interface Prepared {
  type: "prepared";
  participant: string;
  material: string;
  have: number;
  total: number;
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
  | Ping
  | Show
  | Draw
  | DrawMore
  | Erase
  | Undo
  | Redo
  | Clear
  | Point
  | Play
  | SetMode
  | SetHeads
  | RaiseHand
  | GiveSign
  | LowerHand
  | Pick
  | SetTimer
  | OpenPoll
  | GiveAnswer
  | ClosePoll
  | Reveal
  | Chat
  | Mark
  | LetDraw
  | GetPage
  | Thumbnails
  | Thumbnail
  | MaterialsReady;

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
  | Pong
  | BoardState
  | Happened
  | PageStrokes
  | ThumbnailOf
  | ThumbnailWanted
  | Prepared;

export type BoardEvent =
  | StageShown
  | StrokeBegun
  | StrokeGrew
  | StrokesHidden
  | StrokesShown
  | Pointed
  | MaterialChanged
  | MaterialRemoved
  | Played
  | ModeSet
  | HeadsSet
  | HandRaised
  | HandLowered
  | SignGiven
  | Picked
  | TimerSet
  | PollOpened
  | PollAnswered
  | PollClosed
  | PollRevealed
  | Said
  | Marked
  | DrawingAllowed
  | Joined
  | Left
  | Called
  | CallEnded
  | Received
  | LessonBegan
  | LessonOver
  | PartBegan;

export type BoardOrder =
  | Show
  | Draw
  | DrawMore
  | Erase
  | Undo
  | Redo
  | Clear
  | Point
  | Play
  | SetMode
  | SetHeads
  | RaiseHand
  | GiveSign
  | LowerHand
  | Pick
  | SetTimer
  | OpenPoll
  | GiveAnswer
  | ClosePoll
  | Reveal
  | Chat
  | Mark
  | LetDraw;
