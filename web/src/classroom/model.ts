/** What the classroom page does: enters, watches, answers when it is called, and says how it fares. The view reads its
 * signals; it draws nothing itself. */

import { computed, effect, signal } from "@preact/signals";
import type { ClientMessage, Receiving } from "../generated/messages";
import type { PageLink } from "../lib/api";
import { Capture, permission } from "../lib/capture";
import { askForBoth, canCapture, CLASSROOM_PICTURE, type DeviceList, listDevices, NO_DEVICES } from "../lib/devices";
import { devicesOf, me } from "../lib/lesson-view";
import { LivePage } from "../lib/live-page";
import { measured, type Sample, Steady } from "../lib/receiving";
import { nameKey } from "../lib/signalling";
import { soundAllowed } from "../lib/sound";
import { classroomStage, type Source } from "../lib/stage";
import { takeSample, watched } from "../lib/stats";
import { recall, remember } from "../lib/storage";
import { Meter } from "../lib/meter";
import { keepScreenOn } from "../lib/wake-lock";
import { CLASSROOM_BUDGETS, Publisher } from "../lib/whip";
import type { Sentence } from "../ui/StatusLine";
import { classroomSentence } from "./words";
import { boardHere, loadBoard } from "./board/Later";
import { Hearing } from "./hearing";
import { unitHere } from "./unit/Unit";

/** How often the page measures and reports what it receives. */
const REPORT_EVERY_MS = 2_000;
/** The picture waits no longer for the rest of the page, which takes a second or two where it comes at all. */
const FURNISH_MS = 3_000;
/** "Connecting afresh" is said at least this long after the button was pressed, so that the press is seen to work. */
const RENEW_SHOWN_MS = 4_000;

export class ClassroomModel {
  readonly page: LivePage;
  readonly hearing: Hearing;
  readonly meter: Meter;
  readonly publisher: Publisher;
  readonly microphone = new Capture("microphone", CLASSROOM_PICTURE);
  readonly camera = new Capture("camera", CLASSROOM_PICTURE);
  readonly devices = signal<DeviceList>(NO_DEVICES);
  /** The page has had its press, or needs none. */
  readonly entered = signal(false);
  /** Whether a press is needed is not known yet. */
  readonly probing = signal(true);
  readonly receiving = signal<Required<Receiving>>({ sound: "off", picture: "off", delay_ms: null, kbps: null, loss_percent: null, behind_s: null, used_mb: null, saves_data: false });
  readonly renewing = signal(false);
  /** How often a volunteer's page wants a small still of the class, in seconds; 0: not at all. Heard here, as it may be said
   *  before the part that takes them is loaded. */
  readonly thumbnailEveryS = signal(0);

  readonly me = computed(() => {
    const view = this.page.view.value;
    return view === null ? undefined : me(view);
  });
  readonly called = computed(() => this.page.lessonState.value === "live" && this.me.value?.called === true);
  readonly muted = computed(() => this.me.value?.muted === true);
  /** A slide, the blank board or a film is in sight; live pictures are small then. */
  readonly boardShown = signal(false);
  /** Which camera of the volunteer is to stand large; apart, as the board changes with every stroke. */
  private readonly prefer = computed(() => this.page.board.value.stage.source);
  readonly stage = computed(() => {
    const stage = classroomStage(this.page.slots.value, this.page.view.value?.participants ?? [], this.prefer.value);
    return this.boardShown.value && stage.main !== null ? { main: null, small: [stage.main].concat(stage.small) } : stage;
  });
  readonly ownStream = computed(() => {
    const track = this.camera.track.value;
    return track === null ? null : new MediaStream([track]);
  });
  /** The teachers in the lesson. */
  readonly teachers = computed(() => (this.page.view.value?.participants ?? []).filter((one) => one.role === "teacher"));
  /** The live lesson's first sound is still to come, and none was lost before it. */
  private readonly firstSound = computed(
    () => this.page.lessonState.value === "live" && !this.hearing.begun.value && this.hearing.lostSinceMs.value === null,
  );
  /** The rest of the page is still to come: the picture, which would fight with it for a thin link, waits. */
  private readonly furnishing = signal(true);
  /** What of the live media is wanted. */
  private readonly wish = computed((): ClientMessage => {
    const ceiling = this.hearing.soundOnly.value || this.furnishing.value ? "sound" : this.meter.ceiling.value;
    return { type: "watch", live: this.hearing.watchLive.value, ceiling };
  });
  /** The sound is on its way: what the page opens without may follow it. */
  readonly mediaHere = computed(() => this.hearing.begun.value || this.page.subscriber.session.phase.value === "up");
  readonly mediaLost = computed(() => this.page.subscriber.session.phase.value !== "up");
  readonly sentence = computed((): Sentence | null =>
    classroomSentence({
      live: this.page.lessonState.value === "live" || this.hearing.finishing.value,
      everConnected: this.page.view.value !== null && !this.firstSound.value,
      signallingLost: this.page.signallingLost.value,
      mediaLost: this.mediaLost.value,
      renewing: this.renewing.value,
      soundBlocked: this.page.sound.blocked.value,
      teacherHere: this.teachers.value.some((one) => one.online || devicesOf(one).microphone),
      sound: this.receiving.value.sound,
      picture: this.receiving.value.picture,
      rung: this.page.view.value?.link?.rung ?? "",
      soundOnly: this.meter.state.value === "spent" ? "spent" : this.meter.saving.value ? "chosen" : "",
      budgetNear: this.meter.state.value === "near",
      fromRecording: this.hearing.playsRecording.value,
      missedInReplay: this.hearing.inReplay.value && this.page.view.value?.recording.state === "recording",
      recordingAwaited: this.hearing.stalled.value || this.hearing.lostSinceMs.value !== null,
    }),
  );
  /** When the trouble of the status line began, on the steady clock; null without trouble. */
  readonly troubleSinceMs = computed(() => {
    const sound = this.hearing.lostSinceMs.value;
    if (sound !== null) return sound;
    if (this.hearing.playsRecording.value) return null;
    const media = this.page.subscriber.session.lostSinceMs.value;
    const socket = this.page.signalling.lostSinceMs.value;
    return media === null || socket === null ? (media ?? socket) : Math.min(media, socket);
  });

  private last: Sample | null = null;
  private readonly sound = new Steady();
  private readonly picture = new Steady();

  constructor(link: PageLink) {
    this.page = new LivePage(link, "classroom");
    this.publisher = new Publisher(
      () => this.page.signalling.access.peek()?.whipUrl ?? "",
      () => this.page.token(),
      CLASSROOM_BUDGETS,
      () => this.page.signalling.access.peek()?.iceServers ?? [],
    );
    this.meter = new Meter(link.lesson);
    this.hearing = new Hearing(
      this.page,
      {
        expected: () => this.teachers.peek().some((one) => one.online && devicesOf(one).microphone),
        called: () => this.called.peek(),
      },
      this.meter,
    );
    this.wire();
  }

  /** Connect; enter without a press where the browser lets sound play. */
  start(): void {
    this.page.signalling.start();
    this.hearing.start();
    loadBoard(this);
    // A classroom that was in this lesson before goes straight in: after a power cut nobody may be there to press.
    const returning = recall(this.enteredKey()) === "yes";
    if (returning) this.enterQuietly();
    void soundAllowed().then((allowed) => {
      this.probing.value = false;
      if (allowed) this.enterQuietly();
    });
    const press = (): void => {
      if (!this.page.sound.blocked.peek()) return;
      this.page.sound.unlock();
      this.hearing.player.unlock();
    };
    addEventListener("pointerdown", press);
    addEventListener("pointerup", press);
    addEventListener("keydown", press);
    void listDevices().then((list) => (this.devices.value = list));
  }

  /** The one press: sound on, and the browser's question about microphone and camera asked now rather than when the class
   *  is called on. A refusal is fine. */
  enter(): void {
    this.enterQuietly();
    this.page.sound.unlock();
    this.hearing.player.unlock();
    void this.askOnce();
  }

  rename(name: string): boolean {
    const wanted = name.trim().slice(0, 80);
    if (wanted === "") return false;
    remember(nameKey("classroom"), wanted);
    return this.page.signalling.send({ type: "rename", name: wanted });
  }

  endCall(): void {
    const own = this.me.peek();
    if (own !== undefined) this.page.signalling.send({ type: "end_call", participant: own.id });
  }

  /** Somebody cannot hear or see: a new media session, and sound once more. */
  help(): void {
    this.page.sound.unlock();
    this.renewing.value = true;
    setTimeout(() => (this.renewing.value = false), RENEW_SHOWN_MS);
    this.page.subscriber.session.renew();
    this.hearing.player.hurry();
    if (this.called.peek()) this.publisher.session.renew();
  }

  leave(): void {
    this.page.left.value = true;
    this.page.signalling.stop();
  }

  comeBack(): void {
    this.page.left.value = false;
    this.page.signalling.start();
    this.page.sound.unlock();
  }

  streamOf(source: Source): MediaStream | null {
    return this.page.streamOf(source);
  }

  private enteredKey(): string {
    return `entered.${this.page.link.lesson}`;
  }

  private enterQuietly(): void {
    this.entered.value = true;
    this.probing.value = false;
    remember(this.enteredKey(), "yes");
  }

  private async askOnce(): Promise<void> {
    if (!canCapture()) return;
    if ((await permission("microphone")) === "denied") return;
    try {
      for (const track of await askForBoth(CLASSROOM_PICTURE)) track.stop();
    } catch {
      // Refused or nothing plugged in: the class can still watch, and is asked again only when it is called.
    }
    this.devices.value = await listDevices();
  }

  private wire(): void {
    const { page, publisher } = this;
    page.signalling.onMoved(() => publisher.session.moved());
    page.signalling.listen((message) => {
      if (message.type === "welcome") {
        publisher.session.ownedBy(message.owner);
        publisher.session.hurry();
        // A greeted page is asked anew.
        this.thumbnailEveryS.value = 0;
      }
      if (message.type === "thumbnail_wanted") this.thumbnailEveryS.value = message.every_s;
      if (message.type === "media_closed") publisher.session.closedByServer(message.session);
      if (message.type === "layers_wanted") publisher.layersWanted(message);
    });
    effect(() => {
      this.furnishing.value = !unitHere.value || !boardHere.value;
      if (!this.furnishing.value || !this.mediaHere.value) return undefined;
      const timer = setTimeout(() => (this.furnishing.value = false), FURNISH_MS);
      return () => clearTimeout(timer);
    });
    // Each greeting sets it back to everything, so it is said with each as well.
    page.signalling.wish = () => this.wish.peek();
    effect(() => {
      const wish = this.wish.value;
      if (page.signalling.phase.value === "ready") page.signalling.send(wish);
    });
    effect(() => publisher.setTrack("microphone", this.microphone.track.value));
    effect(() => publisher.setTrack("camera", this.camera.track.value));
    effect(() => {
      const track = this.microphone.track.value;
      if (track !== null) track.enabled = !this.muted.value;
    });
    effect(() => {
      const open = this.called.value && !page.left.value;
      if (open) {
        void this.openDevices();
      } else {
        this.microphone.close();
        this.camera.close();
      }
    });
    effect(() => {
      const something = this.microphone.track.value !== null || this.camera.track.value !== null;
      // A call that ends is ended by the server, sessions and all.
      publisher.session.want(this.called.value && !page.left.value && something, !this.called.value);
    });
    effect(() => {
      if (page.signalling.phase.value !== "ready") return;
      const devices = {
        microphone: this.microphone.track.value !== null && !this.muted.value,
        camera: this.camera.track.value !== null && !publisher.cameraRests.value,
      };
      page.signalling.send({ type: "set_devices", devices });
    });
    effect(() => keepScreenOn((page.lessonState.value === "live" || this.hearing.finishing.value) && !page.left.value));
    setInterval(() => void this.report(), REPORT_EVERY_MS);
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this.plugged());
  }

  private async openDevices(): Promise<void> {
    if (!canCapture()) {
      this.microphone.failed("insecure");
      return;
    }
    // The sound first: it is what the class was called on for.
    await this.microphone.open();
    if (!this.called.peek()) return;
    await this.camera.open();
    this.devices.value = await listDevices();
  }

  private async plugged(): Promise<void> {
    this.devices.value = await listDevices();
    await this.microphone.devicesChanged();
    await this.camera.devicesChanged();
  }

  /** What is heard and seen of the recording, in the words of the report. */
  private fromRecording(live: Required<Receiving>): Required<Receiving> {
    const plays = this.hearing.player.recorded().aheadS > 0.1;
    const shows = this.hearing.picture.peek() !== null;
    return {
      ...live,
      sound: plays ? "good" : "none",
      picture: live.picture === "off" ? "off" : shows ? "good" : "none",
      delay_ms: null,
      behind_s: this.hearing.behindS.peek(),
    };
  }

  private async report(): Promise<void> {
    const { page, publisher } = this;
    if (page.lessonState.peek() !== "live" || page.left.peek()) return;
    const devices = this.teachers.peek().map(devicesOf);
    const expected = {
      sound: devices.some((one) => one.microphone),
      camera: devices.some((one) => one.camera),
      screen: devices.some((one) => one.screen),
    };
    const pc = page.subscriber.session.pc.peek();
    let found: Required<Receiving> = {
      sound: expected.sound ? "none" : "off",
      picture: expected.camera || expected.screen ? "none" : "off",
      delay_ms: null,
      kbps: null,
      loss_percent: null,
      behind_s: null,
      used_mb: null,
      saves_data: false,
    };
    if (pc !== null && !this.mediaLost.peek()) {
      try {
        const id = page.subscriber.session.id.peek();
        const which = watched(page.slots.peek(), this.teachers.peek());
        const sample = await takeSample(pc, id, page.subscriber.seats.peek(), which, performance.now());
        found = measured(this.last, sample, expected);
        this.last = sample;
        this.hearing.rttMs = sample.rttMs;
        await this.meter.connection(id, pc);
        await this.meter.connection(publisher.session.id.peek(), publisher.session.pc.peek());
      } catch {
        // The connection closed while it was read; the next round reads the next one.
        return;
      }
    }
    if (this.hearing.playsRecording.peek()) found = this.fromRecording(found);
    found = { ...found, used_mb: this.meter.usedMb.peek(), saves_data: this.meter.ceiling.peek() === "sound" };
    // Sound that arrives and is not played is heard by nobody.
    if (found.sound !== "off" && (page.sound.blocked.peek() || !this.entered.peek())) found = { ...found, sound: "none" };
    found = { ...found, sound: this.sound.next(found.sound), picture: this.picture.next(found.picture) };
    this.receiving.value = found;
    page.signalling.send({ type: "report", receiving: found });
  }
}
