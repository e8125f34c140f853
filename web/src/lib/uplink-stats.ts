/** Reads from `getStats` of a publishing connection what `uplink` judges. */

type Entry = Readonly<Record<string, unknown>>;

/** What the browser believes the link to carry, bits per second; null where it does not say. */
export function availableBps(report: { forEach: (each: (entry: Entry) => void) => void }): number | null {
  let transport = "";
  report.forEach((entry) => {
    if (entry["type"] === "transport" && typeof entry["selectedCandidatePairId"] === "string") transport = entry["selectedCandidatePairId"];
  });
  let found: number | null = null;
  report.forEach((entry) => {
    if (entry["type"] !== "candidate-pair") return;
    // Firefox names no transport; `nominated` stays true on pairs that were given up, so the transport's word comes first.
    const chosen = transport === "" ? entry["nominated"] === true && entry["state"] === "succeeded" : entry["id"] === transport;
    const bps = entry["availableOutgoingBitrate"];
    if (chosen && typeof bps === "number") found = bps;
  });
  return found;
}
