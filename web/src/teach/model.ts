/** What the teach page does: own devices, what is sent, and the orders to the lesson. The view reads its signals; it draws
 * nothing itself. */

import { batch, computed, effect, type Signal, signal } from "@preact/signals";
import { askForBoth, canCapture, captureDocument, captureScreen, type DeviceList, listDevices, NO_DEVICES, TEACHER_PICTURE, troubleOf } from "../lib/devices";
import { Capture, NONE, permission } from "../lib/capture";
import type { PageLink } from "../lib/api";
import { LevelMeter } from "../lib/level";
import { LivePage } from "../lib/live-page";
import { recall, remember } from "../lib/storage";
import { type Prefer, teacherStage, type Source } from "../lib/stage";
import { Publisher, TEACHER_BUDGETS } from "../lib/whip";
import type { Mode } from "../generated/messages";
import { planOf } from "../lib/modes";
import { keepScreenOn } from "../lib/wake-lock";
import { RoomsModel } from "./class/model";
import { uplinkSentence } from "./words";

export class TeachModel {
  readonly page: LivePage;
  readonly rooms: RoomsModel;
  readonly publisher: Publisher;
  readonly microphone = new Capture("microphone", TEACHER_PICTURE);
  readonly camera = new Capture("camera", TEACHER_PICTURE);
  readonly meter = new LevelMeter();
  readonly devices = signal<DeviceList>(NO_DEVICES);
  readonly screen = signal<MediaStreamTrack | null>(null);
  readonly screenFailed = signal(false);
  /** What is shared as a screen is a second camera, over a book or a drawing. */
  readonly document = signal(false);
  readonly documentFailed = signal(false);
  /** Which of the own cameras is to stand on the stage; said by the lesson (`stage_shown`). */
  readonly prefer = signal<Prefer>("");
  readonly mode = signal<Mode>("speech");
  /** The browser is asking for permission at this moment. */
  readonly asking = signal(false);
  readonly muted = signal(recall("muted") === "yes");
  readonly cameraOff = signal(recall("camera-off") === "yes");
  /** Space is held down. */
  readonly talking = signal(false);
  readonly starting = signal(false);
  /** This page takes part: it started the lesson or joined it, now or before a reload. Until then nothing is sent. */
  readonly joined: Signal<boolean>;
  /** The person has confirmed the end; it is on its way. */
  readonly ending = signal(false);

  readonly speaking = computed(() => !this.muted.value || this.talking.value);
  readonly cameraStream = computed(() => streamWith(this.camera.track.value));
  readonly screenStream = computed(() => streamWith(this.screen.value));
  readonly stage = computed(() =>
    teacherStage(
      this.page.view.value?.you ?? "",
      { camera: this.camera.track.value !== null, screen: this.screen.value !== null, document: this.document.value },
      this.page.slots.value,
      this.page.view.value?.participants ?? [],
      this.prefer.value,
    ),
  );
  /** The camera's picture is sent: there is one, and the link has room for it. */
  readonly cameraSent = computed(() => this.camera.track.value !== null && !this.publisher.cameraRests.value);
  readonly screenSent = computed(() => this.screen.value !== null && !this.publisher.screenRests.value);
  /** The own uplink in words; null before it is known. */
  readonly ownLink = computed(() =>
    uplinkSentence({
      up: this.page.lessonState.value === "live" && this.publisher.session.phase.value === "up",
      rest: this.publisher.uplink.value.rest,
      sendsPicture: this.cameraSent.value || this.screenSent.value,
      availableBps: this.publisher.availableBps.value,
    }),
  );
  /** What this page sends is not getting through. */
  readonly sendingLost = computed(
    () => this.page.lessonState.value === "live" && this.publisher.session.phase.value !== "up",
  );

  constructor(link: PageLink) {
    this.page = new LivePage(link, "teacher");
    this.rooms = new RoomsModel(this.page);
    this.joined = signal(recall(joinedKey(link)) === "yes");
    this.publisher = new Publisher(
      () => this.page.signalling.access.peek()?.whipUrl ?? "",
      () => this.page.token(),
      TEACHER_BUDGETS,
      () => this.page.signalling.access.peek()?.iceServers ?? [],
    );
    this.wire();
  }

  /** Connect and ask for the devices. */
  start(): void {
    this.page.signalling.start();
    const press = (): void => {
      if (this.page.sound.blocked.peek()) this.page.sound.unlock();
    };
    addEventListener("pointerdown", press);
    addEventListener("pointerup", press);
    addEventListener("keydown", press);
    void this.askDevices();
  }

  /** The one press: start the lesson, or join it where another volunteer has started it. */
  startLesson(): void {
    this.page.sound.unlock();
    if (this.page.lessonState.peek() !== "live") {
      this.starting.value = this.page.signalling.send({ type: "start_lesson" });
      if (!this.starting.peek()) return;
    }
    remember(joinedKey(this.page.link), "yes");
    this.joined.value = true;
  }

  /** End as soon as the server hears it: a weak network must not keep a lesson open. */
  endLesson(): void {
    this.ending.value = true;
  }

  call(participant: string): void {
    this.page.signalling.send({ type: "call", participant });
  }

  endCall(participant: string): void {
    this.page.signalling.send({ type: "end_call", participant });
  }

  mute(participant: string, muted: boolean): void {
    this.page.signalling.send({ type: "mute", participant, muted });
  }

  /** That classroom skips what it has missed. */
  jumpToLive(participant: string): void {
    this.page.signalling.send({ type: "jump_to_live", participant });
  }

  toggleMicrophone(): void {
    if (this.microphone.track.peek() === null) void this.microphone.open();
    this.muted.value = !this.muted.peek();
    remember("muted", this.muted.peek() ? "yes" : "");
  }

  async toggleCamera(): Promise<void> {
    const off = this.camera.track.peek() !== null;
    this.cameraOff.value = off;
    remember("camera-off", off ? "yes" : "");
    if (off) {
      this.camera.close();
      return;
    }
    await this.camera.open();
    if (this.camera.chosen.peek() === NONE) await this.camera.choose("");
  }

  /** Capture and send as this kind of lesson wants it, in the same session (`mode_set`). */
  async applyMode(mode: Mode): Promise<void> {
    if (mode === this.mode.peek()) return;
    this.mode.value = mode;
    const plan = planOf(mode);
    this.publisher.applyMode(plan);
    await Promise.all([this.microphone.adjust(plan.capture), this.camera.adjust(plan.capture)]);
    this.publisher.resized();
  }

  /** Share the picture of a second camera, in place of a screen. */
  async showDocument(device: string): Promise<void> {
    this.documentFailed.value = false;
    try {
      this.share(await captureDocument(device), true);
    } catch (error) {
      this.documentFailed.value = troubleOf(error) !== "refused";
    }
  }

  hideDocument(): void {
    if (this.document.peek()) this.share(null, false);
  }

  private share(track: MediaStreamTrack | null, document: boolean): void {
    const before = this.screen.peek();
    if (before !== null) {
      before.onended = null;
      before.stop();
    }
    if (track !== null) {
      track.onended = () => {
        if (this.screen.peek() === track) this.share(null, false);
      };
    }
    batch(() => {
      this.screen.value = track;
      this.document.value = document;
    });
  }

  async toggleScreen(): Promise<void> {
    this.screenFailed.value = false;
    if (this.screen.peek() !== null && !this.document.peek()) {
      this.share(null, false);
      return;
    }
    try {
      this.share(await captureScreen(), false);
    } catch (error) {
      // Whoever closes the browser's own picker has changed their mind: nothing to say.
      this.screenFailed.value = troubleOf(error) !== "refused";
    }
  }

  /** Ask for microphone and camera, in one question where nothing is known yet. */
  async askDevices(): Promise<void> {
    if (!canCapture()) {
      this.microphone.failed("insecure");
      this.camera.failed("insecure");
      return;
    }
    this.asking.value = true;
    try {
      if (this.microphone.chosen.peek() === "" && this.camera.chosen.peek() === "" && !this.cameraOff.peek()) {
        await this.askOnce();
      } else {
        await this.microphone.open();
        if (!this.cameraOff.peek()) await this.camera.open();
      }
    } finally {
      this.asking.value = false;
      this.devices.value = await listDevices();
    }
  }

  streamOf(source: Source): MediaStream | null {
    if (source.participant !== this.page.view.value?.you) return this.page.streamOf(source);
    return source.kind === "screen" ? this.screenStream.value : this.cameraStream.value;
  }

  private async askOnce(): Promise<void> {
    const { capture } = planOf(this.mode.peek());
    try {
      for (const track of await askForBoth(capture.picture, capture.sound)) {
        (track.kind === "audio" ? this.microphone : this.camera).adopt(track, capture);
      }
    } catch (error) {
      const trouble = troubleOf(error);
      // One device missing or busy fails the whole question, so each is tried alone; after a refusal only what the
      // browser grants without asking again.
      for (const one of [this.microphone, this.camera]) {
        if (trouble !== "refused" || (await permission(one.need)) === "granted") await one.open();
        else one.failed("refused");
      }
    }
  }

  private wire(): void {
    const { page, publisher } = this;
    page.signalling.onMoved(() => publisher.session.moved());
    page.signalling.listen((message) => {
      if (message.type === "welcome") {
        publisher.session.ownedBy(message.owner);
        publisher.session.hurry();
      }
      if (message.type === "media_closed") publisher.session.closedByServer(message.session);
      if (message.type === "error") this.starting.value = false;
      if (message.type === "layers_wanted") publisher.layersWanted(message);
    });
    effect(() => publisher.setTrack("microphone", this.microphone.track.value));
    effect(() => publisher.setTrack("camera", this.camera.track.value));
    effect(() => publisher.setTrack("screen", this.screen.value));
    effect(() => this.meter.follow(this.microphone.track.value));
    effect(() => {
      // Muting keeps the microphone open and sends silence, so that unmuting takes no time and the recording no gap.
      const track = this.microphone.track.value;
      if (track !== null) track.enabled = this.speaking.value;
    });
    effect(() => {
      const live = this.joined.value && page.lessonState.value === "live" && page.signalling.phase.value !== "refused";
      publisher.session.want(live, page.lessonState.value === "ended");
      keepScreenOn(live);
    });
    effect(() => {
      if (page.signalling.phase.value !== "ready") return;
      page.signalling.send({
        type: "set_devices",
        devices: {
          microphone: this.joined.value && this.microphone.track.value !== null && this.speaking.value,
          camera: this.joined.value && this.cameraSent.value,
          screen: this.joined.value && this.screenSent.value,
          document: this.joined.value && this.screenSent.value && this.document.value,
        },
      });
    });
    effect(() => {
      if (this.ending.value && page.signalling.phase.value === "ready") page.signalling.send({ type: "end_lesson" });
    });
    effect(() => {
      if (page.lessonState.value !== "ended") return;
      this.ending.value = false;
      this.microphone.close();
      this.camera.close();
      this.share(null, false);
    });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this.plugged());
  }

  private async plugged(): Promise<void> {
    this.devices.value = await listDevices();
    await this.microphone.devicesChanged();
    await this.camera.devicesChanged();
  }
}

function joinedKey(link: PageLink): string {
  return `joined.${link.lesson}`;
}

function streamWith(track: MediaStreamTrack | null): MediaStream | null {
  return track === null ? null : new MediaStream([track]);
}
