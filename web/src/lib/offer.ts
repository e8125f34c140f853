/** An offer and its answer over HTTP (WHIP, WHEP). Knows nothing of what a session is for and how long it lives. */

import type { IceServer } from "../generated/messages";
import type { Door } from "./access";
import { ApiError, request } from "./api";

/** The server's answer to an offer. */
export interface Answered {
  /** The session's path on this server. */
  readonly resource: string;
  readonly etag: string;
  readonly sdp: string;
  /** Which process has the session, as greetings name it. */
  readonly owner: string;
}

/** A connection of its own for one session. */
export function connection(iceServers: readonly IceServer[]): RTCPeerConnection {
  return new RTCPeerConnection({
    bundlePolicy: "max-bundle",
    rtcpMuxPolicy: "require",
    iceServers: iceServers.map(({ urls, username, credential }) => ({
      urls: urls.slice(),
      username: username ?? "",
      credential: credential ?? "",
    })),
  });
}

/** Make an offer and take it as the own description, with `change` made to it where the browser takes that. */
export async function describe(pc: RTCPeerConnection, change?: (sdp: string) => string, options?: RTCOfferOptions): Promise<void> {
  const offer = await pc.createOffer(options);
  const sdp = change?.(offer.sdp ?? "");
  if (sdp !== undefined && sdp !== offer.sdp) {
    try {
      await pc.setLocalDescription({ type: "offer", sdp });
      return;
    } catch {
      // A browser that takes no changed description: its own will do.
    }
  }
  await pc.setLocalDescription(offer);
}

/** Post an offer; `asked` is called when it is on its way. Throws `ApiError`. */
export async function postOffer(door: Door, offer: string, withinMs: number, asked?: () => void): Promise<Answered> {
  const type = "application/sdp";
  const response = await sendSdp("POST", ownOrigin(door.url), door.token, type, offer, door.headers, withinMs, asked);
  return {
    resource: new URL(response.headers.get("Location") ?? "", location.href).pathname,
    etag: response.headers.get("ETag") ?? "*",
    sdp: await response.text(),
    owner: response.headers.get("Liveclass-Owner") ?? "",
  };
}

/** A server before a proxy that takes no compressed bodies: known for as long as the page is open. */
let plainOnly = false;

/** Send SDP, compressed where the browser can: offers are a third of a second on a thin uplink otherwise. */
export async function sendSdp(
  method: "POST" | "PATCH",
  url: string,
  token: string,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>>,
  withinMs: number,
  asked?: () => void,
): Promise<Response> {
  const small = plainOnly ? null : await gzipped(text);
  const send = (body: BodyInit, coding: Record<string, string>): Promise<Response> => {
    const answer = request(url, token, { method, headers: { ...headers, ...coding, "Content-Type": type }, body }, withinMs);
    asked?.();
    return answer;
  };
  if (small === null) return send(text, {});
  try {
    return await send(small, { "Content-Encoding": "gzip" });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 415) throw error;
    plainOnly = true;
    return send(text, {});
  }
}

/** `text` as gzip; null where the browser cannot, or it is not worth it. */
export async function gzipped(text: string): Promise<ArrayBuffer | null> {
  if (typeof CompressionStream !== "function" || text.length < WORTH_CHARS) return null;
  try {
    const stream = new Response(text).body?.pipeThrough(new CompressionStream("gzip"));
    return stream === undefined ? null : await new Response(stream).arrayBuffer();
  } catch {
    return null;
  }
}

/** Less fits one packet with its headers anyhow. */
const WORTH_CHARS = 700;

/** The path of an endpoint on the page's own origin: a server behind a proxy may not know its own name. */
function ownOrigin(url: string): string {
  return new URL(url, location.href).pathname;
}
