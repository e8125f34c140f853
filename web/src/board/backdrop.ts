/** Brings the picture behind the strokes: in order of what shows soonest, each decoded before it is handed on, so that no
 * slide is ever white. Knows no page and no strokes. */

/** A picture on its way. `arrived` resolves once its bytes are here, `decoded` once it can be painted at once. */
export interface Coming<Picture> {
  readonly arrived: Promise<void>;
  readonly decoded: Promise<Picture>;
  cancel(): void;
}
export type Load<Picture> = (url: string) => Coming<Picture>;

/** What lies on this computer is here within this; what is not comes smallest first. */
export const LOCAL_WITHIN_MS = 150;
/** All pictures failed: the network is gone, or they are not on the server yet. */
export const AGAIN_AFTER_MS = 2_000;

export class Backdrop<Picture> {
  private turn = 0;
  private coming: Coming<Picture> | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly load: Load<Picture>) {}

  /** Bring `urls` (best first, all of one picture): `onPicture` hears of each that is better than the one before, until the
   * best is there. Ends what was being brought. */
  bring(urls: readonly string[], onPicture: (picture: Picture) => void): void {
    this.stop();
    void this.run(urls, onPicture, this.turn);
  }

  stop(): void {
    this.turn++;
    this.coming?.cancel();
    this.coming = null;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  private async run(urls: readonly string[], onPicture: (picture: Picture) => void, turn: number): Promise<void> {
    const [best] = urls;
    if (best === undefined) return;
    if (urls.length > 1 && (await this.isLocal(best, turn))) {
      if (await this.one(best, onPicture, turn)) return;
    }
    while (turn === this.turn) {
      let brought = "";
      for (const url of urls.slice().reverse()) {
        if (turn !== this.turn) return;
        if (await this.one(url, onPicture, turn)) brought = url;
      }
      if (brought === best || turn !== this.turn) return;
      await this.pause(AGAIN_AFTER_MS);
    }
  }

  /** Ask for the best alone, for a moment. Too late it is called off: on a thin link it would take from the smallest. */
  private async isLocal(url: string, turn: number): Promise<boolean> {
    const coming = this.load(url);
    this.coming = coming;
    coming.decoded.catch(() => undefined);
    const soon = await Promise.race([
      coming.arrived.then(
        () => true,
        () => false,
      ),
      this.pause(LOCAL_WITHIN_MS).then(() => false),
    ]);
    if (!soon && turn === this.turn) coming.cancel();
    return soon && turn === this.turn;
  }

  private async one(url: string, onPicture: (picture: Picture) => void, turn: number): Promise<boolean> {
    try {
      this.coming = this.load(url);
      this.coming.arrived.catch(() => undefined);
      const picture = await this.coming.decoded;
      if (turn !== this.turn) return false;
      onPicture(picture);
      return true;
    } catch {
      return false;
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.timer = setTimeout(resolve, ms);
    });
  }
}

/** Load an image element. */
export function loadImage(url: string): Coming<HTMLImageElement> {
  const image = new Image();
  image.alt = "";
  image.draggable = false;
  // With `decode` below: painted in the very frame in which it is put into the page.
  image.decoding = "sync";
  const arrived = new Promise<void>((resolve, reject) => {
    image.onload = () => resolve();
    image.onerror = () => reject(new Error("no picture"));
  });
  image.src = url;
  const decoded = arrived.then(() =>
    // Some browsers refuse to decode what they show well.
    image.decode().then(
      () => image,
      () => image,
    ),
  );
  return {
    arrived,
    decoded,
    cancel: () => {
      if (!image.complete) image.src = "";
    },
  };
}
