import { expect, test } from "vitest";
import { sha256 } from "./sha256";

const hex = (bytes: Uint8Array): string => Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");

test("the hash is the one of FIPS 180-4, at every length around a block's end", async () => {
  for (const length of [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1_000, 70_001]) {
    const bytes = Uint8Array.from({ length }, (_, n) => (n * 131 + 7) & 255);
    const right = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    expect([length, hex(sha256(bytes))]).toEqual([length, hex(right)]);
  }
});
