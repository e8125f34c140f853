/** Fetches a lesson's slides, songs and films for as long as the page is open: one request at a time, what `plan` names at the
 * speed that `pace` gives, each file verified by the hash that is its name. Moves bytes and timers; decides nothing. */

import { signal } from "@preact/signals";
import { backoffMs } from "../lib/backoff";
import { materialPath } from "./names";
import { hashOf } from "./hash";
import { type Manifest, parseManifest } from "./manifest";
import { type Line, type Piece, pieceFor } from "./pace";
import { nextWish, type Shelf, type Wish } from "./plan";
import { Store } from "./store";

/** A piece that has not come by then is asked for again: a connection that died says nothing. */
const PIECE_WITHIN_MS = 25_000;
/** On a line that has nothing to spare, how often that is looked at again. */
const LOOK_AGAIN_MS = 2_000;
/** What the class waits for is asked for once more when it has not come by then, over another connection: where a packet was
 *  lost, TCP finds out after a second. Small files only. */
const TWICE_AFTER_MS = 800;
const TWICE_BELOW = 40_000;
/** A file that the server does not have, or has wrongly: it may be mended. */
const BARRED_MS = 30_000;
/** What is looked at now is asked for again at least this often. */
const NOW_WITHIN_MS = 2_000;
/** From so many bytes on, a piece tells how fast the link is. */
const MEASURED_FROM = 7_000;
/** Files that wait half fetched for the rest, while something more urgent comes. */
const BEGUN = 3;
/** Addresses of pictures that are held ready. */
const ADDRESSES = 24;

const TYPES: Readonly<Record<string, string>> = { webp: "image/webp", json: "application/json", m4a: "audio/mp4", mp3: "audio/mpeg", mp4: "video/mp4" };

export interface FetchPorts {
  readonly sight: () => Pick<Shelf, "materials" | "page" | "playing" | "wide">;
  readonly line: () => Line;
  /** Told of bytes as they come. */
  readonly received: (bytes: number) => void;
}

/** What has come of a file. */
interface Part {
  readonly parts: ArrayBuffer[];
  got: number;
}

/** Ask, and once more if nothing has come after `afterMs`: the first answer counts. */
function hedged<T>(ask: () => Promise<T>, afterMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let open = 1;
    const failed = (error: unknown): void => {
      open -= 1;
      if (open > 0) return;
      clearTimeout(timer);
      reject(error instanceof Error ? error : new Error("failed"));
    };
    const timer = setTimeout(() => {
      open += 1;
      ask().then(resolve, failed);
    }, afterMs);
    ask().then((answer) => {
      clearTimeout(timer);
      resolve(answer);
    }, failed);
  });
}

export class Fetcher {
  /** Counts up whenever a file has come or gone. */
  readonly changed = signal(0);

  /** What the link has carried of late, beside whatever else was on it; null: not known yet. */
  kbps: number | null = null;

  private store: Store | null = null;
  private readonly manifests = new Map<string, Manifest>();
  private readonly newest = new Map<string, string>();
  private readonly barredUntil = new Map<string, number>();
  private readonly begun = new Map<string, Part>();
  private readonly addresses = new Map<string, string>();
  private flight: { readonly wish: Wish; readonly abort: AbortController } | null = null;
  private wake: (() => void) | null = null;
  private attempt = 0;
  private retryAtMs = 0;
  private notBeforeMs = 0;

  constructor(
    private readonly lesson: string,
    private readonly ports: FetchPorts,
  ) {}

  /** Begin, and go on until the page is closed. */
  async start(): Promise<void> {
    this.store = await Store.open(this.lesson);
    this.changed.value += 1;
    for (;;) {
      try {
        await this.turn();
      } catch {
        await this.nap(LOOK_AGAIN_MS);
      }
    }
  }

  shelf(): Shelf {
    const { manifests, newest, store } = this;
    return {
      ...this.ports.sight(),
      manifests,
      newest,
      has: (sha) => store?.has(sha) ?? false,
      barred: (sha) => (this.barredUntil.get(sha) ?? 0) > performance.now(),
      room: store?.room ?? false,
    };
  }

  /** What is wanted, or the line, may have changed. */
  poke(): void {
    const { flight } = this;
    if (flight !== null && flight.wish.urgency !== "now") {
      const wish = nextWish(this.shelf());
      if (wish?.urgency === "now" && wish.sha !== flight.wish.sha) flight.abort.abort();
    }
    this.wake?.();
  }

  /** The network is there again: do not sit out the pause. */
  back(): void {
    this.attempt = 0;
    this.retryAtMs = 0;
    this.poke();
  }

  /** An address of this file within the page, if it is held ready. */
  addressNow(sha: string): string | null {
    return this.addresses.get(sha) ?? null;
  }

  /** An address of this file within the page; null when it is not here. */
  async address(sha: string): Promise<string | null> {
    const ready = this.addresses.get(sha);
    if (ready !== undefined) {
      this.addresses.delete(sha);
      this.addresses.set(sha, ready);
      return ready;
    }
    const file = (await this.store?.get(sha)) ?? null;
    if (file === null) {
      // Thrown away by the browser: it is to be fetched again.
      this.changed.value += 1;
      this.poke();
      return null;
    }
    const made = this.addresses.get(sha) ?? URL.createObjectURL(file);
    this.addresses.set(sha, made);
    for (const [oldest, url] of Array.from(this.addresses).slice(0, Math.max(0, this.addresses.size - ADDRESSES))) {
      this.addresses.delete(oldest);
      URL.revokeObjectURL(url);
    }
    return made;
  }

  private async turn(): Promise<void> {
    const wish = nextWish(this.shelf());
    if (wish === null) return this.nap(LOOK_AGAIN_MS * 5);
    if (wish.ext === "json" && this.store?.has(wish.sha) === true) return this.read(wish);
    const piece = pieceFor(this.ports.line(), wish.urgency);
    if (piece === null) return this.nap(LOOK_AGAIN_MS);
    const now = performance.now();
    const retryAtMs = wish.urgency === "now" ? Math.min(this.retryAtMs, now + NOW_WITHIN_MS) : this.retryAtMs;
    const beginMs = wish.urgency === "now" ? retryAtMs : Math.max(retryAtMs, this.notBeforeMs);
    if (beginMs > now) return this.nap(beginMs - now);
    this.notBeforeMs = now + piece.everyMs;
    await this.fetch(wish, piece);
  }

  private async nap(ms: number): Promise<void> {
    await new Promise<void>((done) => {
      const timer = setTimeout(done, ms);
      this.wake = () => {
        clearTimeout(timer);
        done();
      };
    });
    this.wake = null;
  }

  private async fetch(wish: Wish, piece: Piece): Promise<void> {
    const held = this.begun.get(wish.sha) ?? { parts: [], got: 0 };
    const whole = held.got === 0 && (piece.bytes === Infinity || (wish.bytes > 0 && wish.bytes <= piece.bytes));
    const abort = new AbortController();
    const flight = { wish, abort };
    this.flight = flight;
    let late = false;
    const beganMs = performance.now();
    const timer = setTimeout(() => {
      late = true;
      abort.abort();
    }, PIECE_WITHIN_MS);
    try {
      const end = piece.bytes === Infinity ? "" : `${held.got + piece.bytes - 1}`;
      const ask = async (): Promise<{ response: Response; bytes: ArrayBuffer }> => {
        const answer = await fetch(materialPath(this.lesson, wish.sha, wish.ext), {
          // Kept here, and not by the browser a second time.
          cache: "no-store",
          credentials: "omit",
          headers: whole ? {} : { Range: `bytes=${held.got}-${end}` },
          signal: abort.signal,
        });
        return { response: answer, bytes: await answer.arrayBuffer() };
      };
      const twice = wish.urgency === "now" && wish.bytes < TWICE_BELOW;
      const { response, bytes } = await (twice ? hedged(ask, TWICE_AFTER_MS) : ask());
      if (response.status >= 500 || response.status === 429) throw new Error(`${response.status}`);
      if (!response.ok) {
        this.bar(wish.sha);
        return;
      }
      this.ports.received(bytes.byteLength);
      this.measure(bytes.byteLength, performance.now() - beganMs);
      this.attempt = 0;
      this.retryAtMs = 0;
      await this.took(wish, held, response, bytes);
    } catch {
      // Called off for something more urgent is no failure.
      if (abort.signal.aborted && !late) return;
      this.retryAtMs = performance.now() + backoffMs(this.attempt, Math.random());
      this.attempt += 1;
    } finally {
      clearTimeout(timer);
      // The second of two that were asked for.
      abort.abort();
      if (this.flight === flight) this.flight = null;
    }
  }

  /** A round trip is in it, so short files say too little. */
  private measure(bytes: number, ms: number): void {
    if (bytes < MEASURED_FROM) return;
    const kbps = (bytes * 8) / Math.max(1, ms);
    this.kbps = this.kbps === null ? kbps : this.kbps + (kbps - this.kbps) * 0.3;
  }

  private async took(wish: Wish, held: Part, response: Response, bytes: ArrayBuffer): Promise<void> {
    const total = response.status === 206 ? Number(/\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? NaN) : bytes.byteLength;
    if (response.status !== 206) {
      held.parts.length = 0;
      held.got = 0;
    }
    held.parts.push(bytes);
    held.got += bytes.byteLength;
    if (held.got < total) {
      this.begun.set(wish.sha, held);
      // What was begun longest ago begins anew, if it is still wanted.
      const [oldest = ""] = this.begun.keys();
      if (this.begun.size > BEGUN) this.begun.delete(oldest);
      return;
    }
    this.begun.delete(wish.sha);
    const file = new Blob(held.parts, { type: TYPES[wish.ext] ?? "" });
    const all = await file.arrayBuffer();
    const manifest = wish.ext === "json" ? parseManifest(new TextDecoder().decode(all)) : null;
    if ((await hashOf(all)) !== wish.sha || (wish.ext === "json" && manifest === null)) {
      this.bar(wish.sha);
      return;
    }
    await this.store?.put(wish.sha, wish.ext, file);
    this.barredUntil.delete(wish.sha);
    if (manifest !== null) this.learn(wish.sha, wish.material, manifest);
    this.changed.value += 1;
  }

  /** A manifest that is kept from another day. */
  private async read({ sha, material }: Wish): Promise<void> {
    const file = (await this.store?.get(sha)) ?? null;
    const manifest = file === null ? null : parseManifest(await file.text());
    if (manifest !== null) this.learn(sha, material, manifest);
    // One that cannot be read is asked for again, later.
    else if (file !== null) this.bar(sha);
    this.changed.value += 1;
  }

  private learn(sha: string, material: string, manifest: Manifest): void {
    this.manifests.set(sha, manifest);
    this.newest.set(material, sha);
    const needed = new Set(this.newest.values());
    Array.from(this.manifests.keys()).forEach((one) => needed.has(one) || this.manifests.delete(one));
  }

  private bar(sha: string): void {
    this.begun.delete(sha);
    this.barredUntil.set(sha, performance.now() + BARRED_MS);
  }
}
