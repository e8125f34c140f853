/** The watching session is asked for while most of the page is still on its way: on a village link that is three seconds
 * later, and the socket's greeting four. The page's own session takes it over (`MediaSession`); if it fails there, the
 * page goes on as if it had never been. */

import type { Role } from "../generated/messages";
import { type Door, recallAccess, watchingDoor } from "./access";
import type { PageLink } from "./api";
import { type Answered, connection, describe, postOffer } from "./offer";
import { addSeats } from "./seats";
import { compacted } from "./sdp-receive";
import { hearsStereo } from "./sdp-sound";

/** It shares the link with the page itself, so it may take longer than a first offer otherwise. */
const WITHIN_MS = 8_000;
/** The offer of an old PC is made by then; whoever opens a page must not see it empty for longer. */
const PAGE_WAITS_MS = 700;

/** A session that is being opened. */
export interface HeadStart {
  readonly pc: RTCPeerConnection;
  /** The answer, in place already: ICE goes on while the page loads. Rejects as `postOffer`. */
  readonly answered: Promise<Answered>;
}

let begun: HeadStart | null = null;

/**
 * Ask for the session of the link's page, once.
 *
 * @returns when the request is on its way, or will not be soon: a page from the cache is built in the meantime that the
 *   server needs for its answer, not in the browser's own for the offer.
 */
export function headStart(link: PageLink, role: Role): Promise<void> {
  if (begun !== null) return Promise.resolve();
  const access = recallAccess(link.lesson, role);
  try {
    const pc = connection(access?.iceServers ?? []);
    addSeats(pc);
    let asked: () => void = () => undefined;
    const onItsWay = new Promise<void>((done) => {
      asked = done;
      setTimeout(done, PAGE_WAITS_MS);
    });
    const answered = opened(pc, gently(watchingDoor(access, link.lesson, role, link.token)), asked);
    // Whoever takes it hears of the failure; nobody takes it on a page that shows a message instead.
    answered.catch(() => asked());
    begun = { pc, answered };
    return onItsWay;
  } catch {
    // A browser without WebRTC; the page says so.
    return Promise.resolve();
  }
}

/** No picture while the page itself is on its way: a thin link has no room for both. The page says when it is here. */
function gently(door: Door): Door {
  return { ...door, headers: { ...door.headers, "Liveclass-Ceiling": "sound" } };
}

async function opened(pc: RTCPeerConnection, door: Door, asked: () => void): Promise<Answered> {
  await describe(pc, hearsStereo);
  const answered = await postOffer(door, compacted(pc.localDescription?.sdp ?? ""), WITHIN_MS, asked);
  // Closed: whoever took it wants it no more, and ends the server's session too.
  if (pc.signalingState !== "closed") await pc.setRemoteDescription({ type: "answer", sdp: answered.sdp });
  return answered;
}

/** The session that was begun, for the one who goes on with it; null for everyone after. */
export function takeHeadStart(): HeadStart | null {
  const taken = begun;
  begun = null;
  return taken;
}
