/** Cameras, microphones and speakers of this machine: asking for them, naming them, and saying what is wrong. Knows nothing
 * of lessons. */

export type Need = "microphone" | "camera";

/** Why a device cannot be used: `refused` by the person or a policy, `notfound`, `busy` in another program, `insecure`
 *  page (no https). */
export type Trouble = "refused" | "notfound" | "busy" | "insecure";

/** What an error of `getUserMedia` means. */
export function troubleOf(error: unknown): Trouble {
  const name = (error as { name?: unknown } | null)?.name;
  switch (name) {
    case "NotAllowedError":
    case "PermissionDeniedError":
    case "SecurityError":
      return "refused";
    case "NotFoundError":
    case "DevicesNotFoundError":
    case "OverconstrainedError":
      return "notfound";
    default:
      return "busy";
  }
}

/** True where the page may ask for devices at all. */
export function canCapture(): boolean {
  return typeof navigator.mediaDevices?.getUserMedia === "function";
}

/** True where the page may share a screen: no phone can. */
export function canShareScreen(): boolean {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
}

/** A volunteer's camera; 720p is what a good classroom deserves, and its layers are what the others can receive. Of its 24
 *  frames, as film has them, the base of two temporal layers still has 12. */
export const TEACHER_PICTURE: Picture = { width: 1280, height: 720, framesPerSecond: 24 };
/** A classroom that answers: enough to see who speaks. */
export const CLASSROOM_PICTURE: Picture = { width: 640, height: 360, framesPerSecond: 15 };

/** How a microphone is to sound. */
export interface SoundWish {
  readonly channels: 1 | 2;
  /** Echoes, noise and loudness are evened out by the browser, which is made for speech. */
  readonly processed: boolean;
}

export const SPEECH_SOUND: SoundWish = { channels: 1, processed: true };

/** What a microphone is asked for. */
export function soundConstraints({ channels, processed }: SoundWish): MediaTrackConstraints {
  return {
    channelCount: channels === 1 ? 1 : { ideal: channels },
    echoCancellation: processed,
    noiseSuppression: processed,
    autoGainControl: processed,
  };
}

/** What a camera is asked for. */
export function pictureConstraints(picture: Picture): MediaTrackConstraints {
  return {
    width: { ideal: picture.width },
    height: { ideal: picture.height },
    frameRate: { ideal: picture.framesPerSecond, max: 30 },
  };
}

/** The constraints for `need` on device `id` (empty: the system's default). */
export function constraintsFor(need: Need, id: string, picture: Picture, sound: SoundWish = SPEECH_SOUND): MediaStreamConstraints {
  const device = id === "" ? {} : { deviceId: { exact: id } };
  if (need === "microphone") return { audio: { ...device, ...soundConstraints(sound) } };
  return { video: { ...device, ...pictureConstraints(picture) } };
}

/** One track, from the wanted device, or from the default one when that is gone. Throws what the browser throws. */
export async function capture(need: Need, id: string, picture: Picture, sound: SoundWish = SPEECH_SOUND): Promise<MediaStreamTrack> {
  try {
    return firstTrack(await navigator.mediaDevices.getUserMedia(constraintsFor(need, id, picture, sound)));
  } catch (error) {
    if (id === "" || troubleOf(error) === "refused") throw error;
    return firstTrack(await navigator.mediaDevices.getUserMedia(constraintsFor(need, "", picture, sound)));
  }
}

/** Ask for microphone and camera in one question, so that the person is asked once. Tracks may be missing. */
export async function askForBoth(picture: Picture, sound: SoundWish = SPEECH_SOUND): Promise<MediaStreamTrack[]> {
  const both = { ...constraintsFor("microphone", "", picture, sound), ...constraintsFor("camera", "", picture) };
  return (await navigator.mediaDevices.getUserMedia(both)).getTracks();
}

function firstTrack(stream: MediaStream): MediaStreamTrack {
  const track = stream.getTracks()[0];
  if (track === undefined) throw new DOMException("no track", "NotFoundError");
  return track;
}

/** The screen's picture, few frames and sharp. Throws when the person changes their mind. */
export async function captureScreen(): Promise<MediaStreamTrack> {
  return firstTrack(
    await navigator.mediaDevices.getDisplayMedia({
      video: { width: { max: 1920 }, height: { max: 1080 }, frameRate: { ideal: 10, max: 15 } },
      audio: false,
    }),
  );
}

/** What stands under a document camera: all the lines that it has, few frames. */
export const DOCUMENT_PICTURE: Picture = { width: 1920, height: 1080, framesPerSecond: 15 };

/** The picture of a second camera, over a book or a drawing. Throws what the browser throws. */
export async function captureDocument(id: string): Promise<MediaStreamTrack> {
  const { width, height, framesPerSecond } = DOCUMENT_PICTURE;
  const video = { deviceId: { exact: id }, width: { ideal: width, max: width }, height: { ideal: height, max: height } };
  return firstTrack(
    await navigator.mediaDevices.getUserMedia({ video: { ...video, frameRate: { ideal: framesPerSecond, max: framesPerSecond } } }),
  );
}

/** The cameras that may stand over a document while `inUse` (a device's id) shows the person. */
export function documentCameras(cameras: readonly Device[], inUse: string): Device[] {
  return cameras.filter((one) => one.id !== "" && one.id !== inUse);
}

export interface Device {
  readonly id: string;
  /** The browser's name for it; empty before permission is given. */
  readonly label: string;
}

export interface DeviceList {
  readonly microphones: readonly Device[];
  readonly cameras: readonly Device[];
  readonly speakers: readonly Device[];
}

export const NO_DEVICES: DeviceList = { microphones: [], cameras: [], speakers: [] };

/** What is plugged in now. */
export async function listDevices(): Promise<DeviceList> {
  if (typeof navigator.mediaDevices?.enumerateDevices !== "function") return NO_DEVICES;
  const all = await navigator.mediaDevices.enumerateDevices();
  const of = (kind: MediaDeviceKind): Device[] =>
    all.filter((one) => one.kind === kind).map((one) => ({ id: one.deviceId, label: one.label }));
  return { microphones: of("audioinput"), cameras: of("videoinput"), speakers: of("audiooutput") };
}

export type Browser = "chromium" | "firefox" | "safari";

/** Which browser's words to use when telling how to allow a device. */
export function browserOf(userAgent: string): Browser {
  if (/firefox\//i.test(userAgent)) return "firefox";
  if (/chrom(e|ium)\//i.test(userAgent)) return "chromium";
  return /safari\//i.test(userAgent) ? "safari" : "chromium";
}
