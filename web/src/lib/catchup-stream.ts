/** One rendition of a running lesson's recording, fetched and appended to a media element: sound or picture. It asks again
 * and again, also while the network is away, so that the first request that passes wins. It knows walls (the server's
 * clock, ms since 1970) and the replay's seconds, and nothing of when the page wants to be behind. */

import type { Trouble } from "./catchup";

/** A request is started this often until one is answered: TCP's own retries wait longer with each loss, and would sleep
 *  through the first seconds of a link that is back. */
const ASK_EVERY_MS = 1_200;
/** After a sign that the network is back the next request follows sooner, as the first may be lost. */
const ASK_AGAIN_MS = 600;
/** Within this a request must be answered: connection, TLS and answer at a round trip of 600 ms. */
const ANSWER_WITHIN_MS = 3_200;
/** A stream with nothing new for this long is dead: at the live edge something comes each second. */
const SILENT_FOR_MS = 3_500;
/** So many answers in a row without one byte: the recording stands still, and is not to be waited for. */
const FRUITLESS = 4;
/** The server has no place for us now. */
const FULL_RETRY_MS = 5_000;
/** Played sound and picture that is kept in memory. */
const KEEP_PLAYED_S = 20;
/** Ask for what follows the end of the buffer, not for the fragment that ends there. */
const PAST_THE_END_MS = 30;
/** A hole in the buffer that is skipped rather than waited out. */
const HOLE_S = 0.15;

export type Rendition = "sound" | "picture";

export interface StreamPorts {
  readonly url: () => string;
  readonly token: () => string;
  /** The server does not take this token (any more); true when there is another one to ask with. */
  readonly denied: (token: string) => boolean;
  /** Bytes that arrived. */
  readonly received: (bytes: number) => void;
  /** The first byte of an answer: the network is there. */
  readonly reached: () => void;
}

/** Where a stretch of the recording lies: replay seconds and the wall of its first moment. */
export interface Part {
  readonly startsAtS: number;
  readonly beganAtMs: number;
}

/** The part that `X-Catchup-Part` names; null when it names none. */
export function parsePart(header: string | null): Part | null {
  const match = /^(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)$/.exec((header ?? "").trim());
  return match === null ? null : { startsAtS: Number(match[1]), beganAtMs: Number(match[2]) };
}

/** The wall of replay second `s`; null before the first part is known. */
export function wallOf(parts: readonly Part[], s: number): number | null {
  let found: Part | null = null;
  for (const part of parts) if (part.startsAtS <= s + 0.001 || found === null) found = part;
  return found === null ? null : found.beganAtMs + (s - found.startsAtS) * 1000;
}

/** The replay second of a wall; a wall before the part is its start. */
export function secondOf(part: Part, wallMs: number): number {
  return part.startsAtS + Math.max(0, (wallMs - part.beganAtMs) / 1000);
}

/** True where this browser can play the recording at all. */
export function canCatchUp(): boolean {
  return typeof MediaSource !== "undefined" && typeof ReadableStream !== "undefined" && MediaSource.isTypeSupported('audio/mp4; codecs="opus"');
}

export class CatchUpStream {
  trouble: Trouble = "";

  private fromMs: number | null = null;
  private parts: Part[] = [];
  private source: MediaSource | null = null;
  private buffer: SourceBuffer | null = null;
  private mime = "";
  private objectUrl = "";
  private waiting: ArrayBuffer[] = [];
  private asking: AbortController[] = [];
  private winner: AbortController | null = null;
  private timer = 0;
  private askAtMs = 0;
  private lastByteMs = 0;
  private sought = false;
  private fruitless = 0;

  constructor(
    readonly element: HTMLMediaElement,
    private readonly rendition: Rendition,
    private readonly ports: StreamPorts,
  ) {}

  /** Have the recording from `fromMs` (a wall) on; it goes on by itself to the live edge. */
  open(fromMs: number): void {
    if (this.fromMs !== null) return;
    this.trouble = "";
    this.fruitless = 0;
    if (!canCatchUp() || this.ports.url() === "") {
      this.trouble = "none";
      return;
    }
    this.fromMs = fromMs;
    this.prepare();
    this.askAtMs = 0;
    this.timer = setInterval(() => this.tick(), 250);
    this.tick();
  }

  get opened(): boolean {
    return this.fromMs !== null;
  }

  close(): void {
    if (this.fromMs === null) return;
    this.fromMs = null;
    clearInterval(this.timer);
    this.stopAsking();
    this.element.pause();
    this.release();
  }

  /** There is reason to hope: ask now. */
  hurry(): void {
    if (this.fromMs === null || this.winner !== null) return;
    this.askAtMs = 0;
    this.tick();
    this.askAtMs = Math.min(this.askAtMs, performance.now() + ASK_AGAIN_MS);
  }

  /** A request was answered and its bytes come. */
  get answered(): boolean {
    return this.winner !== null;
  }

  /** The wall of what the element plays; null while it has nothing of it. */
  atMs(): number | null {
    if (!this.sought || this.parts.length === 0) return null;
    return wallOf(this.parts, this.element.currentTime);
  }

  /** Seconds in hand after what plays now. */
  aheadS(): number {
    return this.sought && !this.element.ended ? Math.max(0, this.endS() - this.element.currentTime) : 0;
  }

  private prepare(): void {
    this.release();
    const source = new MediaSource();
    this.source = source;
    this.objectUrl = URL.createObjectURL(source);
    this.element.src = this.objectUrl;
    source.addEventListener("sourceopen", () => this.feed());
  }

  private release(): void {
    if (this.objectUrl !== "") {
      this.element.removeAttribute("src");
      this.element.load();
      URL.revokeObjectURL(this.objectUrl);
    }
    this.objectUrl = "";
    this.source = null;
    this.buffer = null;
    this.mime = "";
    this.waiting = [];
    this.parts = [];
    this.sought = false;
  }

  private tick(): void {
    const now = performance.now();
    this.mind();
    if (this.trouble !== "") this.closeSource();
    if (this.winner !== null) {
      if (now - this.lastByteMs < SILENT_FOR_MS) return;
      this.winner.abort();
      this.winner = null;
      this.askAtMs = 0;
    }
    if (this.trouble !== "" || now < this.askAtMs) return;
    this.askAtMs = now + ASK_EVERY_MS;
    void this.ask();
  }

  /** What is to come next, as a wall. */
  private nextMs(): number {
    const end = this.sought ? wallOf(this.parts, this.endS()) : null;
    return end === null ? (this.fromMs ?? 0) : end + PAST_THE_END_MS;
  }

  private async ask(): Promise<void> {
    const abort = new AbortController();
    this.asking.push(abort);
    const timer = setTimeout(() => abort.abort(), ANSWER_WITHIN_MS);
    const token = this.ports.token();
    try {
      const response = await fetch(`${this.ports.url()}?from=${Math.round(this.nextMs())}&rendition=${this.rendition}`, {
        headers: { Authorization: `Bearer ${token}` },
        credentials: "omit",
        cache: "no-store",
        signal: abort.signal,
      });
      clearTimeout(timer);
      this.ports.reached();
      if (abort.signal.aborted || this.fromMs === null) return;
      if (!response.ok) {
        this.refused(response.status, token);
        return;
      }
      if (this.winner !== null || response.body === null) {
        abort.abort();
        return;
      }
      this.take(abort, response);
      await this.read(abort, response.body);
    } catch {
      // No answer, or the line broke in mid-stream: the next request is due by the clock.
    } finally {
      clearTimeout(timer);
      this.asking = this.asking.filter((one) => one !== abort);
      if (this.winner === abort) {
        this.winner = null;
        this.askAtMs = 0;
      }
      abort.abort();
    }
  }

  private refused(status: number, token: string): void {
    if (status === 401 && this.ports.denied(token)) this.askAtMs = 0;
    else if (status === 409) this.trouble = "over";
    else if (status === 503 || status === 429) this.askAtMs = performance.now() + FULL_RETRY_MS;
    else if (status < 500) this.trouble = "none";
  }

  private take(abort: AbortController, response: Response): void {
    this.winner = abort;
    this.fruitless += 1;
    if (this.fruitless > FRUITLESS) this.trouble = "none";
    this.lastByteMs = performance.now();
    for (const other of this.asking) if (other !== abort) other.abort();
    const part = parsePart(response.headers.get("X-Catchup-Part"));
    if (part !== null && !this.parts.some((one) => one.startsAtS === part.startsAtS)) {
      this.parts = this.parts.concat([part]).sort((a, b) => a.startsAtS - b.startsAtS);
    }
    this.typed(response.headers.get("Content-Type") ?? "");
  }

  /** A new answer begins with its own initialisation segment, perhaps of another codec. */
  private typed(mime: string): void {
    try {
      if (this.buffer === null) {
        this.mime = mime;
        return;
      }
      if (this.source?.readyState === "open") this.buffer.abort();
      if (mime !== this.mime && typeof this.buffer.changeType === "function") this.buffer.changeType(mime);
      this.mime = mime;
      this.waiting = [];
    } catch {
      this.trouble = "none";
    }
  }

  private async read(abort: AbortController, body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (this.winner !== abort || this.fromMs === null) return;
      if (done) return;
      this.lastByteMs = performance.now();
      this.ports.received(value.byteLength);
      this.fruitless = 0;
      this.waiting.push(value.slice().buffer);
      this.feed();
    }
  }

  /** Append what has arrived, one piece at a time. */
  private feed(): void {
    const { source } = this;
    if (source === null || source.readyState !== "open") return;
    try {
      if (this.buffer === null) {
        if (this.mime === "") return;
        this.buffer = source.addSourceBuffer(this.mime);
        this.buffer.addEventListener("updateend", () => this.feed());
      }
      if (this.buffer.updating) return;
      const piece = this.waiting.shift();
      if (piece !== undefined) this.buffer.appendBuffer(piece);
    } catch (error) {
      if ((error as { name?: string }).name === "QuotaExceededError") this.forget(1);
      else this.trouble = "none";
    }
    this.mind();
  }

  /** Go to the wanted moment once it is there, step over holes, forget what was played. */
  private mind(): void {
    const { buffer, element, parts } = this;
    if (buffer === null || this.source?.readyState !== "open") return;
    const { buffered } = buffer;
    if (buffered.length === 0) return;
    const part = parts[parts.length - 1];
    if (!this.sought) {
      if (part === undefined || this.fromMs === null) return;
      const wanted = secondOf(part, this.fromMs);
      const at = Math.max(wanted, buffered.start(0));
      // A recording whose end is before the wanted moment has not come to it yet.
      if (at > buffered.end(buffered.length - 1) - 0.05) return;
      element.currentTime = at;
      this.sought = true;
      return;
    }
    for (let i = 1; i < buffered.length; i += 1) {
      const before = buffered.end(i - 1);
      if (element.currentTime >= before - HOLE_S && element.currentTime < buffered.start(i)) element.currentTime = buffered.start(i) + 0.01;
    }
    this.forget(KEEP_PLAYED_S);
  }

  /** Nothing follows: without knowing that, an element stops short of its last words. */
  private closeSource(): void {
    const { source, buffer } = this;
    if (source?.readyState !== "open" || buffer === null || buffer.updating || this.waiting.length > 0) return;
    source.endOfStream();
  }

  private forget(keepS: number): void {
    const { buffer, element } = this;
    if (buffer === null || buffer.updating || buffer.buffered.length === 0) return;
    const until = element.currentTime - keepS;
    // Removing little by little would keep the buffer busy all the time.
    if (until > buffer.buffered.start(0) + KEEP_PLAYED_S / 2) buffer.remove(0, until);
  }

  private endS(): number {
    const buffered = this.buffer?.buffered;
    return buffered === undefined || buffered.length === 0 ? 0 : buffered.end(buffered.length - 1);
  }

  private stopAsking(): void {
    for (const one of this.asking) one.abort();
    this.asking = [];
    this.winner = null;
  }
}
