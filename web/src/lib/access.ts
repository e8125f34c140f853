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

function key(lesson: string, role: Role): string {
  return `access.${role}.${lesson}`;
}

export function recallAccess(lesson: string, role: Role): MediaAccess | null {
  try {
    const kept = JSON.parse(recall(key(lesson, role)) ?? "null") as Partial<MediaAccess> | null;
    if (kept === null || typeof kept.token !== "string") return null;
    if (typeof kept.whipUrl !== "string" || typeof kept.whepUrl !== "string") return null;
    return {
      token: kept.token,
      whipUrl: kept.whipUrl,
      whepUrl: kept.whepUrl,
      catchupUrl: typeof kept.catchupUrl === "string" ? kept.catchupUrl : "",
      iceServers: Array.isArray(kept.iceServers) ? kept.iceServers : [],
    };
  } catch {
    return null;
  }
}

export function keepAccess(lesson: string, role: Role, access: MediaAccess): void {
  remember(key(lesson, role), JSON.stringify(access));
}

/** How to watch: by what the server said, else by the link and the identity that the greeting will bring, so that the
 *  session is this participant's. */
export function watchingDoor(access: MediaAccess | null, lesson: string, role: Role, linkToken: string): Door {
  if (access !== null) return { url: access.whepUrl, token: access.token, headers: {} };
  return { url: `/whep/${lesson}`, token: linkToken, headers: { "Liveclass-Identity": identity(lesson, role) } };
}
