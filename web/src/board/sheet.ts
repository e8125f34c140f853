/** The page as it is seen: background, finished and growing strokes, fitted into the room there is. Slide and strokes change
 * in the same frame, and only when the new slide can be painted. Knows the DOM, but no tools and no network beyond pictures. */

import { Backdrop, loadImage } from "./backdrop";
import { Painter } from "./paint";
import { PAGE_WIDTH, type Ink } from "./strokes";

/** What is to be seen. `aspect` is height by width; `backgrounds` are addresses of one picture, best first. */
export interface Sight {
  readonly page: string;
  readonly aspect: number;
  readonly backgrounds: readonly string[];
  /** Asked once a frame at most: the own hand moves faster than that. */
  readonly inks: () => readonly Ink[];
}

const EMPTY: Sight = { page: "", aspect: 9 / 16, backgrounds: [], inks: () => [] };

export class Sheet {
  /** What is seen now: still the page before while the wanted one's background is on its way. */
  shown: Sight = EMPTY;
  private wanted: Sight = EMPTY;
  private readonly backdrop = new Backdrop(loadImage);
  private readonly painter: Painter;
  private picture: HTMLImageElement | null = null;
  private frame: number | null = null;
  private readonly observer: ResizeObserver;
  private readonly fit = (): void => this.layOut();

  /** @param room The element that bounds the page. @param page Its child, positioned, of the page's own size.
   * @param back Child of the page that holds the picture. @param onShown Told of each page as it comes into sight. */
  constructor(
    private readonly room: HTMLElement,
    private readonly page: HTMLElement,
    private readonly back: HTMLElement,
    below: HTMLCanvasElement,
    above: HTMLCanvasElement,
    private readonly onShown: (page: string) => void,
  ) {
    this.painter = new Painter(below, above, getComputedStyle(room).getPropertyValue("--font") || "sans-serif");
    // Until there is something to see: paper without its slide would be a white slide.
    page.style.visibility = "hidden";
    this.observer = new ResizeObserver(this.fit);
    this.observer.observe(room);
    // Moved to a screen of other density, or zoomed.
    addEventListener("resize", this.fit);
  }

  show(sight: Sight): void {
    const before = this.wanted;
    this.wanted = sight;
    const turned = sight.page !== before.page;
    const { backgrounds } = sight;
    if (turned || backgrounds.join("\n") !== before.backgrounds.join("\n")) {
      if (backgrounds.length === 0) {
        this.backdrop.stop();
        this.commit(null);
      } else {
        this.backdrop.bring(backgrounds, (picture) => this.arrived(picture));
      }
    }
    // Strokes of a page that is not in sight wait for its slide.
    if (this.shown.page === sight.page) {
      const { aspect } = this.shown;
      this.shown = sight;
      if (aspect === sight.aspect) this.repaintSoon();
      else this.layOut();
    }
  }

  /** Strokes have changed. */
  repaintSoon(): void {
    if (this.frame !== null) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.painter.show(this.shown.inks());
    });
  }

  destroy(): void {
    this.backdrop.stop();
    this.observer.disconnect();
    removeEventListener("resize", this.fit);
    if (this.frame !== null) cancelAnimationFrame(this.frame);
  }

  private arrived(picture: HTMLImageElement): void {
    const narrower = this.picture !== null && picture.naturalWidth < this.picture.naturalWidth;
    if (this.shown.page === this.wanted.page && narrower) return;
    this.commit(picture);
  }

  private commit(picture: HTMLImageElement | null): void {
    const turned = this.shown.page !== this.wanted.page;
    if (picture !== null) this.back.appendChild(picture);
    if (this.picture !== null && this.picture !== picture) this.back.removeChild(this.picture);
    this.picture = picture;
    this.shown = this.wanted;
    this.page.style.visibility = "";
    this.layOut();
    if (turned) this.onShown(this.shown.page);
  }

  private layOut(): void {
    const { clientWidth, clientHeight } = this.room;
    const { aspect } = this.shown;
    const width = Math.max(1, Math.floor(Math.min(clientWidth, clientHeight / aspect)));
    const height = Math.max(1, Math.round(width * aspect));
    this.page.style.width = `${width}px`;
    this.page.style.height = `${height}px`;
    this.page.style.setProperty("--board-unit", `${width / PAGE_WIDTH}px`);
    this.painter.resize(width, height, window.devicePixelRatio || 1);
    // At once: a canvas that was resized is empty, and must not be seen so.
    this.painter.show(this.shown.inks());
  }
}
