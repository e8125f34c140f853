/** How fast materials may come while the link also carries the lesson: in pieces, with pauses, so that the sound is never hurt.
 * Pure. Knows no file and no network. */

import type { Urgency } from "./plan";

export interface Line {
  /** Sound and pictures of a lesson are on the link, or may be at any moment. */
  readonly live: boolean;
  /** The rung of the ladder that this page gets. */
  readonly rung: string;
  /** What the link is believed to carry; null: not measured. */
  readonly kbps: number | null;
  /** What of it the lesson takes. */
  readonly usedKbps: number | null;
  /** Nothing of the lesson comes over the link now, though it might. */
  readonly idle: boolean;
  /** The room wants, or can pay for, nothing but sound. */
  readonly saving: boolean;
}

/** One request. `bytes` Infinity: the whole file. */
export interface Piece {
  readonly bytes: number;
  /** From its begin to the next one's, at the least. */
  readonly everyMs: number;
}

/** So much of what is free: the ladder wants some of it to climb, and estimates err. */
const SHARE = 1 / 3;
/** On a link that carries pictures, a deck may come at this even when they fill it; the ladder gives way. */
const LEAST_KBPS = 16;
/** Of a link that nobody has measured. */
const UNMEASURED_KBPS = 64;
/** A piece is on the link for this long: what it delays the sound by at most, and less than any room's buffer. */
const PIECE_S = 0.25;
const PIECE_LEAST = 8_000;
const PIECE_MOST = 64_000;
/** Where nothing else is on the link. Small enough to be given up for what is needed at once. */
const PIECE_IDLE = 256_000;

/** Rungs on which the link has nothing to spare. */
const THIN = ["sound", "thin", "reconnecting"];

/** The next request for something as urgent as this; null: none, until the line is better. */
export function pieceFor(line: Line, urgency: Urgency): Piece | null {
  if (urgency === "now") return { bytes: Infinity, everyMs: 0 };
  if (line.saving && urgency === "spare") return null;
  if (!line.live) return { bytes: PIECE_IDLE, everyMs: 0 };
  // Sound may begin at any moment, so the pieces are small.
  if (line.idle) return { bytes: pieceBytes(line.kbps ?? UNMEASURED_KBPS), everyMs: 0 };
  const thin = THIN.indexOf(line.rung) >= 0;
  if (thin && urgency === "spare") return null;
  const link = line.kbps ?? UNMEASURED_KBPS * 2;
  const free = thin || line.kbps === null ? link / 2 : Math.max(0, link - (line.usedKbps ?? 0));
  const share = urgency === "soon" ? Math.max(link * SHARE, free * SHARE) : free * SHARE;
  const kbps = Math.max(LEAST_KBPS, line.kbps === null ? Math.min(UNMEASURED_KBPS, share) : share);
  const bytes = pieceBytes(link);
  return { bytes, everyMs: Math.round((bytes * 8) / kbps) };
}

function pieceBytes(kbps: number): number {
  return Math.round(Math.min(PIECE_MOST, Math.max(PIECE_LEAST, (kbps * 1000 * PIECE_S) / 8)));
}
