/** The hash that names a file, by the browser's own means where it lends them. */

/** SHA-256 of `bytes` in hex. */
export async function hashOf(bytes: ArrayBuffer): Promise<string> {
  // Only secure pages have it.
  const { subtle } = crypto as { subtle?: SubtleCrypto };
  const hash = subtle === undefined ? (await import("./sha256")).sha256(new Uint8Array(bytes)) : new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(hash, (one) => (one < 16 ? "0" : "") + one.toString(16)).join("");
}
