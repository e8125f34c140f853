/** The check before the lesson: a bell, a word into the microphone, the line; three sentences at the end, within 20 s of the
 * press whatever happens. The line is measured meanwhile. It stands in the waiting view only, so that the lesson's start
 * closes it, and ends the measuring. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { canCapture } from "../lib/devices";
import { t } from "../lib/i18n";
import { LevelMeter, VOICE } from "../lib/level";
import { answers, CHECK_UNTIL_MS, type Checked, type Line, SPEAK_MS, verdict } from "../lib/line-check";
import { measureLine, mediaPath, ring } from "../lib/line-probe";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { LevelBar } from "../ui/LevelBar";
import type { ClassroomModel } from "./model";

type Step = "closed" | "hear" | "ask" | "speak" | "line" | "done";

/** A measurement that does not end in time found no line. */
const NO_LINE: Line = { kbps: null, upKbps: null, rttMs: null, jitterMs: 0, lossShare: 1, media: "", busy: false };

export function LineCheck({ model, onOpen }: { readonly model: ClassroomModel; readonly onOpen: (open: boolean) => void }): JSX.Element {
  const step = useSignal<Step>("closed");
  const checked = useSignal<Checked>({ hears: null, heard: null, line: NO_LINE });
  const began = useRef(0);
  const measured = useRef<Promise<Line>>(Promise.resolve(NO_LINE));
  const abort = useRef<AbortController | null>(null);
  useEffect(() => () => abort.current?.abort(), []);

  /** How long a step that ends at this moment of the check may still take. */
  const leftMs = (untilMs: number): number => Math.max(0, began.current + untilMs - performance.now());
  const measure = async (signal: AbortSignal): Promise<Line> => {
    const line = await measureLine(signal);
    const media = await mediaPath(model.page.subscriber.session.pc.peek()).catch(() => "" as const);
    return { ...line, media };
  };
  const begin = (): void => {
    abort.current?.abort();
    abort.current = new AbortController();
    began.current = performance.now();
    checked.value = { hears: null, heard: null, line: NO_LINE };
    measured.current = measure(abort.current.signal);
    onOpen(true);
    void listen();
  };
  const listen = async (): Promise<void> => {
    step.value = "hear";
    await ring();
    if (step.peek() === "hear") step.value = "ask";
  };
  const answered = (hears: boolean | null): void => {
    checked.value = { ...checked.peek(), hears };
    step.value = canCapture() ? "speak" : "line";
  };
  const spoke = (heard: boolean): void => {
    checked.value = { ...checked.peek(), heard };
    step.value = "line";
  };
  const close = (): void => {
    abort.current?.abort();
    onOpen(false);
    step.value = "closed";
  };

  if (step.value === "closed") {
    return <Button label={t("check.open")} icon="sound" look="quiet" class="check-open" onPress={begin} test="check" />;
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
          <After ms={leftMs(CHECK_UNTIL_MS.ask)} run={() => answered(null)} />
        </>
      )}
      {step.value === "speak" && <Speak forMs={Math.min(SPEAK_MS, leftMs(CHECK_UNTIL_MS.speak))} onDone={spoke} />}
      {step.value === "line" && (
        <Measuring
          line={measured.current}
          withinMs={leftMs(CHECK_UNTIL_MS.all)}
          onDone={(line) => {
            checked.value = { ...checked.peek(), line };
            step.value = "done";
          }}
        />
      )}
      {step.value === "done" && (
        <>
          <Result checked={checked.value} />
          <div class="check-answers">
            <Button label={t("check.again")} onPress={begin} />
            <Button label={t("close")} look="quiet" onPress={close} />
          </div>
        </>
      )}
    </section>
  );
}

/** The three answers, the line first. */
export function Result({ checked }: { readonly checked: Checked }): JSX.Element {
  return (
    <ul class="check-result" role="status" data-test="check-result" data-result={verdict(checked)}>
      {answers(checked).map((one) => (
        <li key={one.text} class={`check-${one.state}`}>
          <Icon name={one.state} />
          <span>{t(one.text)}</span>
        </li>
      ))}
    </ul>
  );
}

/** Nobody answered. */
function After({ ms, run }: { readonly ms: number; readonly run: () => void }): null {
  useEffect(() => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  }, []);
  return null;
}

function Measuring(props: { readonly line: Promise<Line>; readonly withinMs: number; readonly onDone: (line: Line) => void }): JSX.Element {
  useEffect(() => {
    let over = false;
    const end = (line: Line): void => {
      if (!over) props.onDone(line);
      over = true;
    };
    const timer = setTimeout(() => end(NO_LINE), props.withinMs);
    void props.line.then(end);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, []);
  return <p role="status">{t("check.line")}</p>;
}

/** Waits for a voice; goes on at once when there is one. */
function Speak({ forMs, onDone }: { readonly forMs: number; readonly onDone: (heard: boolean) => void }): JSX.Element {
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
    const timer = setTimeout(() => end(false), forMs);
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
      <LevelBar level={level} label={t("device.level")} />
    </>
  );
}
