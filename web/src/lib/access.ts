/** Where this page's media goes, and with which token: as the server said it last, kept so that media comes back while the
 * socket is down. Before the first greeting the link itself opens the door. */

import type { IceServer, Role } from "../generated/messages";
import { identity } from "./identity";
import { recall, remember } from "./storage";

export interface MediaAccess {
  readonly token: string;
  readonly whipUrl: string;
  readonly whepUrl: string;
  /** Where missed minutes are streamed from; empty where nothing is recorded. */
  readonly catchupUrl: string;
  readonly iceServers: readonly IceServer[];
}

/** What a request for a watching session needs. */
export interface Door {
  readonly url: string;
  readonly token: string;
  /** Says who asks where the token does not. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A relay that is asked for must still be had when the answer comes. */
const RELAY_MARGIN_MS = 60_000;

interface Kept extends MediaAccess {
  /** By this machine's own clock: when it was kept, and until when the relays' credentials hold (0: for good). */
  readonly keptAtMs: number;
  readonly relayUntilMs: number;
}

function key(lesson: string, role: Role): string {
  return `access.${role}.${lesson}`;
}

/**
 * What was kept. TURN servers only while their credentials hold: with dead ones a connection finds no way, where one that
 * has none is begun anew with fresh ones.
 *
 * @param nowMs this machine's clock
 */
export function recallAccess(lesson: string, role: Role, nowMs = Date.now()): MediaAccess | null {
  try {
    const kept = JSON.parse(recall(key(lesson, role)) ?? "null") as Partial<Kept> | null;
    if (kept === null || typeof kept.token !== "string") return null;
    if (typeof kept.whipUrl !== "string" || typeof kept.whepUrl !== "string") return null;
    return {
      token: kept.token,
      whipUrl: kept.whipUrl,
      whepUrl: kept.whepUrl,
      catchupUrl: typeof kept.catchupUrl === "string" ? kept.catchupUrl : "",
      iceServers: Array.isArray(kept.iceServers) && relaysHold(kept, nowMs) ? kept.iceServers : [],
    };
  } catch {
    return null;
  }
}

/** A clock that went back (a flat battery in an old PC) tells no age: then they count as over. */
function relaysHold({ keptAtMs, relayUntilMs }: Partial<Kept>, nowMs: number): boolean {
  if (typeof keptAtMs !== "number" || typeof relayUntilMs !== "number" || nowMs < keptAtMs) return false;
  return relayUntilMs === 0 || nowMs < relayUntilMs - RELAY_MARGIN_MS;
}

/**
 * Keep what the server said.
 *
 * @param serverMs the server's clock as it said this, by which credentials end
 * @param nowMs this machine's clock, which may be wrong
 */
export function keepAccess(lesson: string, role: Role, access: MediaAccess, serverMs: number, nowMs = Date.now()): void {
  const ends = access.iceServers.map(endOf).filter((end) => end > 0);
  const relayUntilMs = ends.length === 0 ? 0 : nowMs + Math.min(...ends) - serverMs;
  const kept: Kept = { ...access, keptAtMs: nowMs, relayUntilMs };
  remember(key(lesson, role), JSON.stringify(kept));
}

/** When the credentials of a TURN server end by themselves, ms since 1970: their name begins with it (coturn's
 *  `use-auth-secret`). 0: it does not say. */
function endOf({ username }: IceServer): number {
  const seconds = /^(\d{9,11}):/.exec(username ?? "");
  return seconds === null ? 0 : Number(seconds[1]) * 1_000;
}

/** Whether a connection was made with these very credentials. */
export function hasRelays(pc: RTCPeerConnection, iceServers: readonly IceServer[]): boolean {
  const names = (pc.getConfiguration().iceServers ?? []).map((one) => one.username ?? "");
  return iceServers.every((one) => names.indexOf(one.username ?? "") >= 0);
}

/** How to watch: by what the server said, else by the link and the identity that the greeting will bring, so that the
 *  session is this participant's. */
export function watchingDoor(access: MediaAccess | null, lesson: string, role: Role, linkToken: string): Door {
  if (access !== null) return { url: access.whepUrl, token: access.token, headers: {} };
  return { url: `/whep/${lesson}`, token: linkToken, headers: { "Liveclass-Identity": identity(lesson, role) } };
}
