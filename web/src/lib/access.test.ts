import { beforeEach, expect, test, vi } from "vitest";
import { hasRelays, keepAccess, type MediaAccess, recallAccess } from "./access";

const SERVER_MS = 1_800_000_000_000;
const HOURS_MS = 3_600_000;

const access = (username: string): MediaAccess => ({
  token: "t",
  whipUrl: "/whip/a",
  whepUrl: "/whep/a",
  catchupUrl: "",
  iceServers: [{ urls: ["turn:turn.example.org"], username, credential: "c" }],
});
/** Credentials that hold for twelve hours from the greeting on. */
const FRESH = access(`${SERVER_MS / 1_000 + 12 * 3_600}:abc`);

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
});

/** How many TURN servers are left of those kept at 0 on this machine's clock. */
function relaysAt(nowMs: number, kept = FRESH, ownMs = SERVER_MS): number | undefined {
  keepAccess("a", "classroom", kept, SERVER_MS, ownMs);
  const recalled = recallAccess("a", "classroom", ownMs + nowMs);
  expect(recalled?.token).toBe("t");
  return recalled?.iceServers.length;
}

test("relays are remembered for as long as their credentials hold", () => {
  expect([relaysAt(0), relaysAt(11 * HOURS_MS), relaysAt(12 * HOURS_MS), relaysAt(72 * HOURS_MS)]).toEqual([1, 1, 0, 0]);
});

test("credentials end by the server's clock, however wrong this machine's is", () => {
  const wrongMs = 946_684_800_000;
  expect([relaysAt(11 * HOURS_MS, FRESH, wrongMs), relaysAt(13 * HOURS_MS, FRESH, wrongMs)]).toEqual([1, 0]);
});

test("a clock that went back tells no age", () => {
  expect(relaysAt(-HOURS_MS)).toBe(0);
});

test("credentials that name no end hold for good", () => {
  expect(relaysAt(1_000 * HOURS_MS, access("programme"))).toBe(1);
});

test("what an earlier page kept without a time has no relays", () => {
  localStorage.setItem("liveclass.access.classroom.a", JSON.stringify(FRESH));
  expect(recallAccess("a", "classroom", SERVER_MS)).toEqual({ ...FRESH, iceServers: [] });
});

test("a connection has a greeting's relays only with its very credentials", () => {
  const pc = { getConfiguration: () => ({ iceServers: [{ urls: "turn:x", username: "1:abc" }] }) } as unknown as RTCPeerConnection;
  expect([hasRelays(pc, access("1:abc").iceServers), hasRelays(pc, access("2:abc").iceServers)]).toEqual([true, false]);
});
