/** The check before the lesson: a bell, a word into the microphone, the line; one sentence at the end. It stands in the
 * waiting view only, so that the lesson's start closes it. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { canCapture } from "../lib/devices";
import { t, type TextKey } from "../lib/i18n";
import { LevelMeter, VOICE } from "../lib/level";
import { type Line, measureLine, mediaPath, ring, verdict } from "../lib/line-check";
import { Button } from "../ui/Button";
import { LevelBar } from "../ui/LevelBar";
import type { ClassroomModel } from "./model";

/** How long a voice is waited for. */
const SPEAK_MS = 6_000;

type Step = "closed" | "hear" | "ask" | "speak" | "line" | "done";

export function LineCheck({ model }: { readonly model: ClassroomModel }): JSX.Element {
  const step = useSignal<Step>("closed");
  const result = useSignal<TextKey>("check.done.good");
  const hears = useSignal(true);
  const heard = useSignal<boolean | null>(null);

  const listen = async (): Promise<void> => {
    step.value = "hear";
    await ring();
    if (step.peek() === "hear") step.value = "ask";
  };
  const answered = (yes: boolean): void => {
    hears.value = yes;
    step.value = canCapture() ? "speak" : "line";
  };
  const measure = async (): Promise<void> => {
    const [line, media] = await Promise.all([measureLine(), mediaPath(model.page.subscriber.session.pc.peek()).catch(() => "" as const)]);
    const full: Line = { ...line, media };
    result.value = verdict({ hears: hears.peek(), heard: heard.peek(), line: full });
    step.value = "done";
  };

  if (step.value === "closed") {
    return <Button label={t("check.open")} icon="sound" look="quiet" class="check-open" onPress={() => void listen()} test="check" />;
  }
  return (
    <section class="check" aria-label={t("check.title")} data-test="check-box" data-step={step.value}>
      {step.value === "hear" && <p role="status">{t("check.hear")}</p>}
      {step.value === "ask" && (
        <>
          <p role="status">{t("check.hear.ask")}</p>
          <div class="check-answers">
            <Button label={t("check.hear.yes")} look="primary" onPress={() => answered(true)} test="check-yes" />
            <Button label={t("check.hear.no")} onPress={() => answered(false)} test="check-no" />
            <Button label={t("check.hear.again")} look="quiet" onPress={() => void listen()} />
          </div>
        </>
      )}
      {step.value === "speak" && <Speak onDone={(voice) => ((heard.value = voice), (step.value = "line"))} />}
      {step.value === "line" && <Measuring run={measure} />}
      {step.value === "done" && (
        <>
          <p role="status" data-test="check-result" data-result={result.value}>
            {t(result.value)}
          </p>
          <div class="check-answers">
            <Button label={t("check.again")} onPress={() => void listen()} />
            <Button label={t("close")} look="quiet" onPress={() => (step.value = "closed")} />
          </div>
        </>
      )}
    </section>
  );
}

function Measuring({ run }: { readonly run: () => Promise<void> }): JSX.Element {
  useEffect(() => void run(), []);
  return <p role="status">{t("check.line")}</p>;
}

/** Waits for a voice; goes on at once when there is one. */
function Speak({ onDone }: { readonly onDone: (heard: boolean) => void }): JSX.Element {
  const level: Signal<number> = useSignal(0);
  useEffect(() => {
    const meter = new LevelMeter();
    let track: MediaStreamTrack | null = null;
    let over = false;
    const end = (voice: boolean): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      clearInterval(poll);
      meter.follow(null);
      track?.stop();
      onDone(voice);
    };
    const timer = setTimeout(() => end(false), SPEAK_MS);
    const poll = setInterval(() => {
      level.value = meter.level.peek();
      if (meter.level.peek() > VOICE) end(true);
    }, 100);
    navigator.mediaDevices.getUserMedia({ audio: true }).then(
      (stream) => {
        track = stream.getAudioTracks()[0] ?? null;
        if (over) track?.stop();
        else meter.follow(track);
      },
      () => end(false),
    );
    return () => {
      over = true;
      clearTimeout(timer);
      clearInterval(poll);
      meter.follow(null);
      track?.stop();
    };
  }, []);
  return (
    <>
      <p role="status">{t("check.speak")}</p>
      <LevelBar level={level} label={t("pre.level.name")} />
    </>
  );
}
