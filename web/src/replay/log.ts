/** Fetches a lesson's timeline. Knows its address and form, and nothing of what its events mean. */

import type { Happened } from "../generated/messages";
import { request } from "../lib/api";

/** A log of an hour of drawing is a megabyte before it is packed: a thin link needs its time. */
const PATIENCE_MS = 60_000;

/** The events with a number above `after`. Throws `ApiError`. */
export async function fetchLog(lesson: string, token: string, after: number): Promise<readonly Happened[]> {
  const query = after > 0 ? `?after=${after}` : "";
  const response = await request(`/api/timeline/${lesson}${query}`, token, {}, PATIENCE_MS);
  return parseLog(await response.text());
}

/** One event a line. A line that is none (the disk was full in its midst) is left out, as the server does itself. */
export function parseLog(text: string): readonly Happened[] {
  const out: Happened[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    try {
      const one = JSON.parse(line) as Happened;
      if (one.type === "happened" && typeof one.event === "object") out.push(one);
    } catch {
      // Said by the server's own log.
    }
  }
  return out;
}
