import { expect, test } from "vitest";
import { type TunedSender, Tuner, type Wish } from "./tuner";

/** A sender as browsers have it: it refuses a second change before the first is done. */
class Sender {
  encodings: RTCRtpEncodingParameters[];
  readonly written: RTCRtpEncodingParameters[][] = [];
  private open = false;
  refuse = false;

  constructor(...encodings: RTCRtpEncodingParameters[]) {
    this.encodings = encodings;
  }

  getParameters(): RTCRtpSendParameters {
    return { encodings: this.encodings.map((one) => ({ ...one })) } as RTCRtpSendParameters;
  }

  async setParameters({ encodings }: RTCRtpSendParameters): Promise<void> {
    if (this.open) throw new Error("two changes at once");
    this.open = true;
    await Promise.resolve();
    this.open = false;
    if (this.refuse) throw new Error("refused");
    this.encodings = encodings;
    this.written.push(encodings);
  }
}

const tuner = (sender: Sender, wishes: (rids: readonly string[]) => readonly Wish[]): Tuner =>
  new Tuner(sender as unknown as TunedSender, wishes);

const settled = (): Promise<void> => new Promise((done) => setTimeout(done, 5));

test("only what differs is written", async () => {
  const sender = new Sender({ rid: "l", active: true, maxBitrate: 1 }, { rid: "h", active: true });
  const one = tuner(sender, (rids) => rids.map((rid) => ({ active: rid === "l" })));
  one.tune();
  await settled();
  expect(sender.encodings).toEqual([{ rid: "l", active: true, maxBitrate: 1 }, { rid: "h", active: false }]);
  one.tune();
  await settled();
  expect(sender.written).toHaveLength(1);
});

test("an encoding that says nothing is active and of full size", async () => {
  const sender = new Sender({});
  tuner(sender, () => [{ active: true, scaleResolutionDownBy: 1 }]).tune();
  await settled();
  expect(sender.written).toHaveLength(0);
});

test("changes that come together are written one after the other, the last one last", async () => {
  const sender = new Sender({ active: true });
  let active = false;
  const one = tuner(sender, () => [{ active }]);
  one.tune();
  active = true;
  one.tune();
  active = false;
  one.tune();
  active = true;
  one.tune();
  await settled();
  expect(sender.encodings).toEqual([{ active: true }]);
});

test("a refusal is not repeated until something new is wanted", async () => {
  const sender = new Sender({ active: true });
  sender.refuse = true;
  const one = tuner(sender, () => [{ active: false }]);
  one.tune();
  one.tune();
  await settled();
  sender.refuse = false;
  one.tune();
  await settled();
  expect(sender.written).toHaveLength(1);
});

test("what the encoder gives up last is said once, and again when it changes", async () => {
  const said: (string | undefined)[] = [];
  let keep: RTCDegradationPreference | undefined;
  const sender = {
    getParameters: () => ({ encodings: [{ active: true }] }) as unknown as RTCRtpSendParameters,
    setParameters: (all: RTCRtpSendParameters) => {
      said.push((all as { degradationPreference?: string }).degradationPreference);
      return Promise.resolve();
    },
  };
  const tuner = new Tuner(sender, () => [{ active: true }], () => keep);
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
  tuner.tune();
  await settle();
  expect(said).toEqual([]);
  keep = "maintain-resolution";
  for (let i = 0; i < 3; i += 1) {
    tuner.tune();
    await settle();
  }
  expect(said).toEqual(["maintain-resolution"]);
  keep = "balanced";
  tuner.tune();
  await settle();
  expect(said).toEqual(["maintain-resolution", "balanced"]);
});
