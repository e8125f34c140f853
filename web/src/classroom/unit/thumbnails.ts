/** A small still of the class for the volunteer's tile: only where the local teacher said so, only while a volunteer looks
 * at the tile, and not where the link has no room for it. The camera is open just as long. */

import { computed, effect, signal } from "@preact/signals";
import { canCapture } from "../../lib/devices";
import { recall, remember } from "../../lib/storage";
import type { ClassroomModel } from "../model";

const CONSENT = "thumbnail";
const WIDTH = 160;
const HEIGHT = 90;
/** Tried in turn until the still is light enough. */
const QUALITIES = [0.5, 0.3, 0.15];
const MOST_BYTES = 3_000;
/** Rungs that have room for nothing but the voice. */
const NO_ROOM = ["sound", "thin", "reconnecting"];
/** A camera adjusts itself to the light before its picture is worth sending. */
const LIGHT_MS = 800;

export class Thumbnails {
  /** The local teacher's word; empty: nobody was asked yet, which is a no. */
  readonly consent = signal<"yes" | "no" | "">(stored());
  /** It makes sense to ask. */
  readonly possible = canCapture();

  private readonly running = computed(() => {
    const { page, meter } = this.room;
    const rung = page.view.value?.link?.rung ?? "";
    const open = this.consent.value === "yes" && !page.left.value && page.lessonState.value !== "ended" && page.signalling.phase.value === "ready";
    const room = NO_ROOM.indexOf(rung) < 0 && !meter.saving.value && meter.state.value !== "spent";
    return open && room && this.possible ? this.room.thumbnailEveryS.value : 0;
  });

  constructor(private readonly room: ClassroomModel) {
    effect(() => {
      const everyS = this.running.value;
      if (everyS <= 0) return undefined;
      // While the class speaks its camera is open, and a second use of it is refused by some browsers.
      const track = this.room.camera.track.value;
      const camera = track === null ? (this.room.called.value ? null : new Still(null)) : new Still(track);
      if (camera === null) return undefined;
      const send = (): void => {
        const data = camera.grab();
        if (data !== null) room.page.signalling.send({ type: "thumbnail", data });
      };
      const first = setTimeout(send, LIGHT_MS * 2);
      const timer = setInterval(send, Math.max(1, everyS) * 1000);
      return () => {
        clearTimeout(first);
        clearInterval(timer);
        camera.close();
      };
    });
  }

  decide(yes: boolean): void {
    this.consent.value = yes ? "yes" : "no";
    remember(CONSENT, this.consent.value);
  }
}

/** A camera that is looked through now and then. With a `lent` track, which others close; without one it opens its own. */
class Still {
  private readonly video = document.createElement("video");
  private readonly canvas = document.createElement("canvas");
  private own: MediaStreamTrack | null = null;
  private closed = false;
  private readonly since = performance.now();

  constructor(lent: MediaStreamTrack | null) {
    this.video.muted = true;
    this.video.playsInline = true;
    this.canvas.width = WIDTH;
    this.canvas.height = HEIGHT;
    if (lent !== null) this.look(lent);
    else void this.open();
  }

  /** The picture now in base64, light enough; null: there is none yet. */
  grab(): string | null {
    const { videoWidth, videoHeight } = this.video;
    const paper = this.canvas.getContext("2d");
    if (paper === null || videoWidth === 0 || performance.now() - this.since < LIGHT_MS) return null;
    // The middle of the picture, as wide as a tile.
    const scale = Math.max(WIDTH / videoWidth, HEIGHT / videoHeight);
    const width = WIDTH / scale;
    const height = HEIGHT / scale;
    paper.drawImage(this.video, (videoWidth - width) / 2, (videoHeight - height) / 2, width, height, 0, 0, WIDTH, HEIGHT);
    for (const quality of QUALITIES) {
      const data = this.encoded(quality);
      if (data !== "" && (data.length * 3) / 4 <= MOST_BYTES) return data;
    }
    return null;
  }

  close(): void {
    this.closed = true;
    this.own?.stop();
    this.video.srcObject = null;
  }

  /** Browsers that write no WebP (Safari) give a PNG for it, which is too heavy: then JPEG. */
  private encoded(quality: number): string {
    const webp = this.canvas.toDataURL("image/webp", quality);
    const url = webp.indexOf("data:image/webp") === 0 ? webp : this.canvas.toDataURL("image/jpeg", quality);
    return url.slice(url.indexOf(",") + 1);
  }

  private async open(): Promise<void> {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 180, frameRate: 5 } });
      this.own = stream.getVideoTracks()[0] ?? null;
      if (this.closed) this.own?.stop();
      else if (this.own !== null) this.look(this.own);
    } catch {
      // No camera, or another program has it: the tile shows initials.
    }
  }

  private look(track: MediaStreamTrack): void {
    this.video.srcObject = new MediaStream([track]);
    this.video.play().catch(() => undefined);
  }
}

function stored(): "yes" | "no" | "" {
  const word = recall(CONSENT);
  return word === "yes" || word === "no" ? word : "";
}
