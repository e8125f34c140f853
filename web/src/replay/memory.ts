/** Where this viewer stopped in each lesson, and the speed they like. Pure: the stored text goes in and comes out. */

/** So many lessons are remembered; the one not watched for longest is forgotten first. */
const LESSONS_KEPT = 50;
/** Someone who stopped this early has not begun. */
const BEGUN_S = 10;
/** Someone who stopped this near to the end has seen it. */
const SEEN_S = 5;
/** Going on starts a little before, to find the thread again. */
const STEP_BACK_S = 2;

export const SPEEDS = [0.75, 1, 1.25, 1.5, 2] as const;

type Places = Record<string, readonly [position_s: number, at_ms: number]>;

function parse(stored: string | null): Places {
  try {
    const value: unknown = JSON.parse(stored ?? "{}");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Places) : {};
  } catch {
    return {};
  }
}

/** The stored text with this lesson's place in it; a place at the very beginning or end forgets the lesson. */
export function withPlace(
  stored: string | null,
  lesson: string,
  position_s: number,
  end_s: number,
  live: boolean,
  now_ms: number,
): string {
  const places = parse(stored);
  delete places[lesson];
  const seen = !live && position_s > end_s - SEEN_S;
  if (position_s >= BEGUN_S && !seen) places[lesson] = [Math.round(position_s * 10) / 10, now_ms];
  const kept = Object.entries(places)
    .filter(([, place]) => Array.isArray(place) && typeof place[1] === "number")
    .sort((a, b) => b[1][1] - a[1][1])
    .slice(0, LESSONS_KEPT);
  return JSON.stringify(Object.fromEntries(kept));
}

/** Where to go on in this lesson, in seconds; 0: from the beginning. */
export function placeIn(stored: string | null, lesson: string): number {
  const place = parse(stored)[lesson];
  const position = Array.isArray(place) ? Number(place[0]) : 0;
  return Number.isFinite(position) && position >= BEGUN_S ? position - STEP_BACK_S : 0;
}

/** The speed that was stored, if it is one of those on offer. */
export function speedFrom(stored: string | null): number {
  return SPEEDS.find((speed) => String(speed) === stored) ?? 1;
}

/** What some browsers tell of the way to the Internet (Network Information API). */
export interface Connection {
  readonly saveData?: boolean;
  readonly effectiveType?: string;
}

/** Whether to begin with the light replay: as this viewer chose the last time, else where data are dear or come slowly. */
export function lightFrom(stored: string | null, connection: Connection | undefined): boolean {
  if (stored === "on" || stored === "off") return stored === "on";
  if (connection === undefined) return false;
  return connection.saveData === true || ["slow-2g", "2g", "3g"].indexOf(connection.effectiveType ?? "") >= 0;
}

/** The next speed up (`1`) or down (`-1`); the last one stays. */
export function nextSpeed(speed: number, direction: 1 | -1): number {
  const at = SPEEDS.findIndex((one) => one >= speed);
  return SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + direction))] ?? 1;
}
