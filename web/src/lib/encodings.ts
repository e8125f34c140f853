/** Which layers a source is sent in, and what each may use. Pure: a picture's height, what the server wants and what the
 * link allows go in, encodings come out. Knows no connection and no browser.
 *
 * A layer's name (rid, RFC 8851) says its place: `l` is always the lowest, `h` always the best, `m` stands between. The
 * server reads the same names from the order of the offer, so layers are listed lowest first.
 */

import type { LayersWanted, SourceKind } from "../generated/messages";

export type Layer = LayersWanted["layers"][number];
export type Rid = "l" | "m" | "h";

/** The kinds of m-line a page offers, in their order. The thin voice is the microphone once more, at a rate that the
 *  weakest classroom can take; it comes last, which is how the server knows it. */
export const LINES = ["microphone", "camera", "screen", "thin"] as const;
export type Line = (typeof LINES)[number];

/** What one kind may use of the uplink. */
export interface Budget {
  readonly bitsPerSecond: number;
  readonly framesPerSecond?: number | undefined;
  /** Sent in layers, where the browser can. */
  readonly layered?: boolean | undefined;
  /** The lines of its layers; without: 180, 360 and 720. */
  readonly heights?: { readonly low: number; readonly middle: number; readonly high: number } | undefined;
  /** The frames of the lowest layer, where they are fewer. */
  readonly lowFramesPerSecond?: number | undefined;
  /** What the link carries decides the limit step by step (`uplink`), as there are no layers to choose from. */
  readonly stepped?: boolean | undefined;
}

export type Budgets = Partial<Readonly<Record<Line, Budget>>>;

/** A volunteer in the city: good sound, a picture in up to three layers, a screen that can be read. */
export const TEACHER_BUDGETS: Budgets = {
  microphone: { bitsPerSecond: 32_000 },
  // 24 frames: what film has; with two temporal layers the base alone still has 12.
  camera: { bitsPerSecond: 900_000, framesPerSecond: 24, layered: true },
  screen: { bitsPerSecond: 1_200_000, framesPerSecond: 15, layered: true },
  thin: { bitsPerSecond: 12_000 },
};

/** A village uplink of some 100 to 300 kbit/s: the sound first, a small picture from what it leaves. */
export const CLASSROOM_BUDGETS: Budgets = {
  microphone: { bitsPerSecond: 32_000 },
  camera: { bitsPerSecond: 250_000, framesPerSecond: 15, stepped: true },
};

/** The lines of a camera's layers: the lowest is rough, and still a face that moves; a larger camera is brought down to the
 *  highest. A layer exists where the picture has twice its lines: half of less would show no face. */
const HEIGHTS = { low: 180, middle: 360, high: 720 };
const LOW_BPS = 110_000;
const MIDDLE_BPS = 350_000;
/** A screen that is read stands still most of the time: full size, few frames. */
const SCREEN_LOW = { bitsPerSecond: 200_000, framesPerSecond: 3 };

/** One layer of a source. */
export interface LayerPlan {
  readonly rid: Rid;
  readonly bitsPerSecond: number;
  readonly framesPerSecond: number;
  readonly scaleDownBy: number;
}

/**
 * The layers of a picture, lowest first.
 *
 * @param height of the capture, pixels; 0 while there is none, which counts as a large one, so that a camera which is
 *   turned on later finds its layers offered
 */
export function layersFor(line: "camera" | "screen", budget: Budget, height: number): readonly LayerPlan[] {
  const frames = budget.framesPerSecond ?? 30;
  const heights = budget.heights ?? HEIGHTS;
  const captured = height === 0 ? heights.high : height;
  const to = (wanted: number): number => Math.max(1, captured / wanted);
  if (line === "screen") {
    const best: LayerPlan = { rid: "h", bitsPerSecond: budget.bitsPerSecond, framesPerSecond: frames, scaleDownBy: 1 };
    return [{ rid: "l", ...SCREEN_LOW, scaleDownBy: 1 }, best];
  }
  const layer = (rid: Rid, bitsPerSecond: number, framesPerSecond: number, lines: number): LayerPlan => ({
    rid,
    bitsPerSecond,
    framesPerSecond,
    scaleDownBy: to(lines),
  });
  const high = layer("h", budget.bitsPerSecond, frames, heights.high);
  if (captured < 2 * heights.low) return [high];
  const low = layer("l", LOW_BPS, budget.lowFramesPerSecond ?? frames, heights.low);
  return captured < 2 * heights.middle ? [low, high] : [low, layer("m", MIDDLE_BPS, frames, heights.middle), high];
}

const RID_OF: Partial<Readonly<Record<Layer, Rid>>> = { low: "l", middle: "m", high: "h" };
const RANK: Readonly<Record<Rid, number>> = { l: 0, m: 1, h: 2 };

/** The rids that answer what the server wants, of those that exist: a layer that this picture does not have is replaced by
 *  the next lower one. `wanted` null: nothing was said yet, so all are sent. */
export function activeRids(plan: readonly LayerPlan[], wanted: readonly Layer[] | null): readonly Rid[] {
  const all = plan.map((one) => one.rid);
  if (wanted === null) return all;
  const out: Rid[] = [];
  for (const layer of wanted) {
    const rid = RID_OF[layer];
    if (rid === undefined) continue;
    const fitting = all.filter((one) => RANK[one] <= RANK[rid]);
    const found = fitting[fitting.length - 1] ?? all[0];
    if (found !== undefined && out.indexOf(found) < 0) out.push(found);
  }
  return out;
}

/** What the link allows now (`uplink`). */
export interface Allowed {
  readonly camera: boolean;
  readonly screen: boolean;
  /** The most that a camera without layers may use, bits per second; null: its budget. */
  readonly cameraBps: number | null;
  /** The most that the microphone may use, bits of Opus per second; null: its budget. */
  readonly voiceBps: number | null;
}

export const ALL_ALLOWED: Allowed = { camera: true, screen: true, cameraBps: null, voiceBps: null };

/** What one encoding of a sender should be now. */
export interface Shape {
  readonly active: boolean;
  readonly maxBitrate: number;
  readonly maxFramerate: number;
  readonly scaleResolutionDownBy: number;
}

/**
 * The encodings of a picture's sender as they should be now.
 *
 * @param rids those that were negotiated, in order; one without a name stands for a picture without layers
 * @param height of what is captured now, pixels: another camera may have come since the offer
 */
export function shapes(
  line: "camera" | "screen",
  budget: Budget,
  rids: readonly string[],
  height: number,
  wanted: readonly Layer[] | null,
  allowed: Allowed,
): readonly Shape[] {
  const may = allowed[line];
  if (rids.length < 2) {
    const most = line === "camera" && allowed.cameraBps !== null ? Math.min(allowed.cameraBps, budget.bitsPerSecond) : budget.bitsPerSecond;
    const frames = budget.framesPerSecond ?? 30;
    return rids.map(() => ({
      active: may && (wanted === null || wanted.length > 0),
      maxBitrate: most,
      maxFramerate: frames,
      scaleResolutionDownBy: 1,
    }));
  }
  const plan = layersFor(line, budget, height).filter((one) => rids.indexOf(one.rid) >= 0);
  const active = activeRids(plan, wanted);
  return rids.map((rid) => {
    const layer = plan.find((one) => one.rid === rid);
    // An m-line keeps the layers it was offered with; those too many for a smaller camera rest.
    if (layer === undefined) return { active: false, maxBitrate: LOW_BPS, maxFramerate: 1, scaleResolutionDownBy: 1 };
    return {
      active: may && active.indexOf(layer.rid) >= 0,
      maxBitrate: layer.bitsPerSecond,
      maxFramerate: layer.framesPerSecond,
      scaleResolutionDownBy: layer.scaleDownBy,
    };
  });
}

/** Temporal layers that let the server halve a picture's rate without a new key frame, where the codec has them. */
const TEMPORAL = "L1T2";

/** `RTCRtpEncodingParameters` with what some browsers know beyond the standard library's types. */
export interface Encoding extends RTCRtpEncodingParameters {
  scalabilityMode?: string;
}

/**
 * What to try in `sendEncodings`, best first: layers with temporal layers, layers, one encoding. Empty at the end: a
 * browser that takes none gets the limits after the answer.
 *
 * @param layers the browser is known to send several encodings of one source
 */
export function attempts(line: Line, budget: Budget, height: number, layers: boolean): readonly Encoding[][] {
  const one: Encoding = { maxBitrate: budget.bitsPerSecond };
  if (budget.framesPerSecond !== undefined) one.maxFramerate = budget.framesPerSecond;
  if (line === "microphone" || line === "thin") {
    // The bandwidth is divided, and packets are marked, for the sound first.
    return [[{ ...one, priority: "high", networkPriority: "high" }], [one], []];
  }
  const temporal = (all: readonly Encoding[]): Encoding[] => all.map((each) => ({ ...each, scalabilityMode: TEMPORAL }));
  // Read text matters more than a face. Chromium takes a weight in the first encoding only, for the whole sender.
  const weight: Encoding = line === "screen" ? { priority: "medium", networkPriority: "medium" } : {};
  const plain = [{ ...one, ...weight }];
  if (budget.layered !== true) return [plain, [one], []];
  const plan = layersFor(line, budget, height);
  const single = [temporal(plain), plain, [one], []];
  if (!layers || plan.length < 2) return single;
  const several = plan.map(
    (layer, place): Encoding => ({
      rid: layer.rid,
      maxBitrate: layer.bitsPerSecond,
      maxFramerate: layer.framesPerSecond,
      scaleResolutionDownBy: layer.scaleDownBy,
      ...(place === 0 ? weight : {}),
    }),
  );
  return [temporal(several), several].concat(single);
}

/** The layers that the server wants of each kind. */
export type Wanted = Partial<Readonly<Record<SourceKind, readonly Layer[]>>>;
