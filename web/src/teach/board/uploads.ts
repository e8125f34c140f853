/** Sends files to the server, one after the other, and tells how far each is. Knows the route and its refusals; what becomes of
 * a file afterwards is told by the lesson (`material_changed`). */

import { signal } from "@preact/signals";
import type { Material } from "../../generated/messages";

export type UploadState = "waiting" | "sending" | "failed";

export interface Upload {
  readonly id: number;
  readonly name: string;
  readonly bytes: number;
  readonly sent: number;
  readonly state: UploadState;
  /** A stable word, as of a material that failed; `network` where there was no answer. */
  readonly problem: string;
}

/** What the transport ends with: the material, or a word for why not. */
export type Outcome = { readonly material: Material } | { readonly problem: string };

export interface Transport {
  readonly send: (file: Blob, name: string, onSent: (bytes: number) => void) => { readonly done: Promise<Outcome>; readonly abort: () => void };
}

/** A link that fails for longer is looked after by a person, with a button to try again. */
const RETRY_AFTER_MS = [2_000, 6_000, 15_000];
/** The server may cut the line of a body that is too large before its answer is read. */
const SURELY_TOO_LARGE = 100_000_000;

/** What becomes of a file: `done` once all of it is on the server, `failed` each time it fails, `dropped` when it was taken
 * back. */
export interface Hopes {
  readonly done?: (material: Material) => void;
  readonly failed?: () => void;
  readonly dropped?: () => void;
}

interface Job {
  readonly file: Blob;
  readonly hopes: Hopes;
}

export class Uploads {
  readonly all = signal<readonly Upload[]>([]);
  private readonly jobs = new Map<number, Job>();
  private busy: { readonly id: number; readonly abort: () => void } | null = null;
  private count = 0;

  constructor(private readonly transport: Transport) {}

  /** Queue a file. */
  add(file: Blob, name: string, hopes: Hopes = {}): void {
    const id = ++this.count;
    this.jobs.set(id, { file, hopes });
    this.all.value = this.all.peek().concat([{ id, name, bytes: file.size, sent: 0, state: "waiting", problem: "" }]);
    void this.work();
  }

  /** Take one back, sent or not yet, or a failed one off the list. */
  drop(id: number): void {
    const job = this.jobs.get(id);
    this.forget(id);
    if (this.busy?.id === id) this.busy.abort();
    job?.hopes.dropped?.();
  }

  private forget(id: number): void {
    this.jobs.delete(id);
    this.all.value = this.all.peek().filter((one) => one.id !== id);
  }

  again(id: number): void {
    this.change(id, { state: "waiting", problem: "", sent: 0 });
    void this.work();
  }

  private async work(): Promise<void> {
    if (this.busy !== null) return;
    for (;;) {
      const next = this.all.peek().find((one) => one.state === "waiting");
      const job = next === undefined ? undefined : this.jobs.get(next.id);
      if (next === undefined || job === undefined) return;
      this.change(next.id, { state: "sending" });
      const outcome = await this.send(next, job);
      this.busy = null;
      if (!this.jobs.has(next.id)) continue;
      if ("material" in outcome) {
        this.forget(next.id);
        job.hopes.done?.(outcome.material);
      } else {
        this.change(next.id, { state: "failed", problem: outcome.problem });
        job.hopes.failed?.();
      }
    }
  }

  private async send(upload: Upload, job: Job): Promise<Outcome> {
    for (let tried = 0; ; tried++) {
      const { done, abort } = this.transport.send(job.file, upload.name, (sent) => this.change(upload.id, { sent }));
      this.busy = { id: upload.id, abort };
      const outcome = await done;
      if ("material" in outcome || outcome.problem !== "network") return outcome;
      if (job.file.size > SURELY_TOO_LARGE) return { problem: "too_large" };
      const wait = RETRY_AFTER_MS[tried];
      if (wait === undefined || !this.jobs.has(upload.id)) return outcome;
      this.change(upload.id, { sent: 0 });
      await new Promise((resolve) => setTimeout(resolve, wait));
      if (!this.jobs.has(upload.id)) return outcome;
    }
  }

  private change(id: number, more: Partial<Upload>): void {
    this.all.value = this.all.peek().map((one) => (one.id === id ? { ...one, ...more } : one));
  }
}

/** By XMLHttpRequest: `fetch` tells nobody how much has been sent. */
export function overHttp(lesson: string, token: string): Transport {
  return {
    send: (file, name, onSent) => {
      const xhr = new XMLHttpRequest();
      const done = new Promise<Outcome>((resolve) => {
        xhr.open("POST", `/api/materials/${lesson}?name=${encodeURIComponent(name)}`);
        xhr.setRequestHeader("Authorization", `Bearer ${token}`);
        xhr.setRequestHeader("Content-Type", "application/octet-stream");
        xhr.upload.onprogress = (event) => onSent(event.loaded);
        xhr.onload = () => resolve(outcomeOf(xhr.status, xhr.responseText));
        xhr.onerror = () => resolve({ problem: "network" });
        xhr.onabort = () => resolve({ problem: "dropped" });
        xhr.send(file);
      });
      return { done, abort: () => xhr.abort() };
    },
  };
}

/** What an answer means. */
export function outcomeOf(status: number, body: string): Outcome {
  try {
    const said = JSON.parse(body) as Material & { error?: { code?: string } };
    if (status === 201) return { material: said };
    const code = said.error?.code ?? "";
    if (code === "body_too_large") return { problem: "too_large" };
    // Silent for a minute: the link, not the file.
    if (code === "body_timeout") return { problem: "network" };
    if (code !== "") return { problem: code };
  } catch {
    // A proxy's page: the status has to do.
  }
  return { problem: status === 413 ? "too_large" : status >= 500 ? "network" : "other" };
}
