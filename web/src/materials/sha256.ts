/** SHA-256 in plain JavaScript, for pages whose browser keeps its own from them because they are not served securely. Loaded
 * only there. After FIPS 180-4. */

/** The first 32 bits of the fractional parts of the `power`-th roots of the first `count` primes. */
function roots(count: number, power: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (prime) found.push(((n ** power % 1) * 2 ** 32) | 0);
  }
  return found;
}

const K = roots(64, 1 / 3);
const FIRST = roots(8, 1 / 2);

/** The hash of `bytes`. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const h = Int32Array.from(FIRST);
  const w = new Int32Array(64);
  const whole = bytes.length - (bytes.length % 64);
  for (let at = 0; at < whole; at += 64) block(h, w, bytes, at);
  const rest = bytes.subarray(whole);
  const tail = new Uint8Array(rest.length < 56 ? 64 : 128);
  tail.set(rest);
  tail[rest.length] = 0x80;
  const view = new DataView(tail.buffer);
  view.setUint32(tail.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(tail.length - 4, (bytes.length << 3) >>> 0);
  for (let at = 0; at < tail.length; at += 64) block(h, w, tail, at);
  const out = new DataView(new ArrayBuffer(32));
  h.forEach((word, n) => out.setInt32(n * 4, word));
  return new Uint8Array(out.buffer);
}

function block(h: Int32Array, w: Int32Array, bytes: Uint8Array, at: number): void {
  const b = (n: number): number => bytes[at + n] as number;
  for (let n = 0; n < 16; n++) w[n] = (b(n * 4) << 24) | (b(n * 4 + 1) << 16) | (b(n * 4 + 2) << 8) | b(n * 4 + 3);
  for (let n = 16; n < 64; n++) {
    const [x, y] = [w[n - 15] as number, w[n - 2] as number];
    const s0 = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
    const s1 = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
    w[n] = ((w[n - 16] as number) + s0 + (w[n - 7] as number) + s1) | 0;
  }
  let [a, bb, c, d, e, f, g, hh] = h as unknown as [number, number, number, number, number, number, number, number];
  for (let n = 0; n < 64; n++) {
    const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const t1 = (hh + s1 + ((e & f) ^ (~e & g)) + (K[n] as number) + (w[n] as number)) | 0;
    const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const t2 = (s0 + ((a & bb) ^ (a & c) ^ (bb & c))) | 0;
    [hh, g, f, e, d, c, bb, a] = [g, f, e, (d + t1) | 0, c, bb, a, (t1 + t2) | 0];
  }
  [a, bb, c, d, e, f, g, hh].forEach((word, n) => (h[n] = ((h[n] as number) + word) | 0));
}

function turn(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
