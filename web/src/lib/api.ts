/** The page's own link, and requests to the HTTP API. The token rides in the fragment, so it reaches no log and no
 * Referer; it is sent as a bearer token only. Knows nothing of WebRTC or signalling. */

export type PageKind = "teach" | "class" | "replay" | "report";

export interface PageLink {
  readonly kind: PageKind;
  readonly lesson: string;
  readonly token: string;
}

/** What `/teach/{lesson}#{token}` and its like say; null when it is no such link. */
export function parseLink(pathname: string, hash: string): PageLink | null {
  const match = /\/(teach|class|replay|report)\/([A-Za-z0-9_-]{1,64})\/?$/.exec(pathname);
  const token = /^#([A-Za-z0-9_.-]{16,512})$/.exec(hash);
  if (match === null || token === null) return null;
  return { kind: match[1] as PageKind, lesson: match[2] as string, token: token[1] as string };
}

/** An answer of the API that is no success. `code` is stable; `network` when there was no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** Turn a failed answer into an `ApiError`, whatever its body. */
export async function apiError(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as { error?: { code?: unknown; message?: unknown } };
    if (typeof body.error?.code === "string") {
      return new ApiError(response.status, body.error.code, String(body.error.message ?? ""));
    }
  } catch {
    // A proxy's page instead of our JSON: the status says enough.
  }
  return new ApiError(response.status, `http_${response.status}`, response.statusText);
}

/** `fetch` with a bearer token and a time limit. Throws `ApiError` for every answer but a 2xx, and for none. */
export async function request(
  url: string,
  token: string,
  init: RequestInit = {},
  timeoutMs = 15_000,
): Promise<Response> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeoutMs);
  let response: Response;
  try {
    response = await fetch(url, {
      ...init,
      headers: { ...(init.headers as Record<string, string> | undefined), Authorization: `Bearer ${token}` },
      // There are no cookies to leave out; and without them a browser opens a connection of its own, which is a round trip
      // before the first sound, and three where the page comes encrypted.
      credentials: "same-origin",
      cache: "no-store",
      signal: abort.signal,
    });
  } catch {
    throw new ApiError(0, "network", "no answer");
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw await apiError(response);
  return response;
}

/** GET a JSON document. */
export async function getJson<T>(url: string, token: string): Promise<T> {
  return (await (await request(url, token)).json()) as T;
}

export interface Replay {
  readonly lesson: {
    readonly id: string;
    readonly title: string;
    readonly language: string;
    readonly state: "waiting" | "live" | "ended";
    readonly started_at_ms: number | null;
  };
  readonly recording: {
    readonly state: "off" | "recording" | "paused" | "stopped" | "finished";
    readonly duration_s: number;
    readonly bytes: number;
    readonly problem: string;
  };
  readonly main: { readonly url: string } | null;
  /** Sound alone, in few bytes, on the time of `main`; comes some time after the lesson. */
  readonly light: { readonly url: string } | null;
  readonly parts: readonly {
    readonly starts_at_s: number;
    readonly duration_s: number;
    readonly began_at_ms: number;
  }[];
  readonly clips: readonly {
    readonly id: string;
    readonly kind: "screen" | "voice" | "classroom";
    readonly name: string;
    readonly starts_at_s: number;
    readonly duration_s: number;
    readonly url: string;
    readonly ended: boolean;
  }[];
}

/** What can be replayed of a lesson. */
export function getReplay(lesson: string, token: string): Promise<Replay> {
  return getJson<Replay>(`/api/replays/${lesson}`, token);
}
