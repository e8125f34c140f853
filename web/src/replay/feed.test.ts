import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Feed } from "./feed";

type Listener = (event: string, data: object) => void;

/** hls.js as far as a feed can see it. */
class StandIn {
  static readonly Events = {
    LEVEL_UPDATED: "updated",
    LEVEL_LOADED: "loaded",
    FRAG_BUFFERED: "buffered",
    ERROR: "error",
  };
  static opened: StandIn[] = [];
  readonly levels = [{}];
  source = "";
  loads = 0;
  private readonly listeners = new Map<string, Listener>();

  constructor(readonly config: { readonly startPosition: number }) {
    StandIn.opened.push(this);
  }

  on(event: string, listener: Listener): void {
    this.listeners.set(event, listener);
  }

  say(event: string, data: object = {}): void {
    this.listeners.get(event)?.(event, data);
  }

  answered(code: number, fatal = false): void {
    this.say("error", { type: "networkError", fatal, response: { code } });
  }

  loadSource(url: string): void {
    this.source = url;
  }

  startLoad(): void {
    this.loads += 1;
  }

  attachMedia(): void {}

  destroy(): void {
    this.listeners.clear();
  }
}

vi.mock("hls.js/light", () => ({ default: StandIn, Events: StandIn.Events }));

/** The longest first pause. */
const PAUSE_MS = 1250;

function latest(): StandIn {
  const hls = StandIn.opened[StandIn.opened.length - 1];
  if (hls === undefined) throw new Error("nothing was opened");
  return hls;
}

describe("a feed", () => {
  const video = { currentTime: 0 };
  const renew = vi.fn<() => Promise<string | null>>();

  beforeEach(async () => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    vi.stubGlobal("window", { MediaSource: {} });
    StandIn.opened = [];
    video.currentTime = 0;
    renew.mockReset().mockResolvedValue("second");
    new Feed({
      video: video as unknown as HTMLVideoElement,
      url: "first",
      start_s: 12,
      renew,
      onTrouble: () => undefined,
    });
    await vi.waitFor(() => expect(StandIn.opened).toHaveLength(1));
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  test("is reopened in time, however often the expired address fails meanwhile", async () => {
    for (let waited_ms = 0; waited_ms < PAUSE_MS; waited_ms += 250) {
      latest().answered(403);
      await vi.advanceTimersByTimeAsync(250);
    }
    expect(StandIn.opened.map((one) => one.source)).toEqual(["first", "second"]);
  });

  test("is reopened once while the fresh address is still being asked for", async () => {
    let give: (url: string) => void = () => undefined;
    renew.mockReturnValue(new Promise((resolve) => (give = resolve)));
    latest().answered(403);
    await vi.advanceTimersByTimeAsync(PAUSE_MS);
    latest().answered(403);
    await vi.advanceTimersByTimeAsync(60_000);
    give("second");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(renew).toHaveBeenCalledTimes(1);
    expect(StandIn.opened).toHaveLength(2);
  });

  test("is not loaded from the expired address instead of being reopened", async () => {
    const first = latest();
    first.answered(403);
    first.answered(503, true);
    await vi.advanceTimersByTimeAsync(PAUSE_MS);
    expect(first.loads).toBe(0);
    expect(latest().source).toBe("second");
  });

  test("is reopened although loading again was due", async () => {
    latest().answered(503, true);
    latest().answered(403);
    await vi.advanceTimersByTimeAsync(2 * PAUSE_MS);
    expect(latest().source).toBe("second");
  });

  test("keeps its place when the fresh address fails as well, before anything came", async () => {
    latest().say("buffered");
    video.currentTime = 38;
    latest().answered(403);
    await vi.advanceTimersByTimeAsync(PAUSE_MS);
    video.currentTime = 0;
    latest().answered(403);
    await vi.advanceTimersByTimeAsync(2 * PAUSE_MS);
    expect(StandIn.opened.map((one) => one.config.startPosition)).toEqual([12, 38, 38]);
  });

  test("goes where the viewer jumped while the fresh address was asked for, the beginning too", async () => {
    latest().say("buffered");
    video.currentTime = 30;
    renew.mockImplementation(async () => {
      video.currentTime = 0;
      return "second";
    });
    latest().answered(403);
    await vi.advanceTimersByTimeAsync(PAUSE_MS);
    expect(latest().config.startPosition).toBe(0);
  });

  test("asks again for a fresh address until there is one", async () => {
    renew.mockResolvedValueOnce(null).mockResolvedValueOnce(null);
    latest().answered(403);
    await vi.advanceTimersByTimeAsync(7 * PAUSE_MS);
    expect(renew).toHaveBeenCalledTimes(3);
    expect(latest().source).toBe("second");
  });
});
