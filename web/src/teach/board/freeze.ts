/** One frame of a moving picture, as a file to draw on. */

/** A still that is drawn on is looked at for minutes: worth more than a frame of the video. */
const QUALITY = 0.88;
const WITHIN_MS = 4_000;

/** The picture that `stream` shows now. Throws when none comes. */
export async function frozen(stream: MediaStream): Promise<Blob> {
  const video = document.createElement("video");
  video.muted = true;
  video.setAttribute("playsinline", "");
  video.srcObject = stream;
  try {
    await shown(video);
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob === null ? reject(new Error("no picture")) : resolve(blob)), "image/jpeg", QUALITY),
    );
  } finally {
    video.srcObject = null;
  }
}

function shown(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no picture")), WITHIN_MS);
    const look = (): void => {
      if (video.videoWidth === 0 || video.readyState < 2) return;
      clearTimeout(timer);
      resolve();
    };
    video.onloadeddata = look;
    video.onplaying = look;
    video.play().then(look, () => undefined);
  });
}
