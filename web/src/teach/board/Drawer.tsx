/** The drawer of materials: add, watch them become ready, show, play, take away, fetch from earlier lessons. Open beside the
 * stage for as long as it is wanted. */

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { StatusLine } from "../../ui/StatusLine";
import { Card, Progress } from "./Card";
import type { Desk } from "./desk";
import { problemText } from "./problem";
import { offered } from "./remembered";
import type { Upload } from "./uploads";

/** What the server reads. A list of endings, too: some systems know no MIME type for office files. */
const ACCEPTED =
  "application/pdf,image/*,audio/*,video/*,.pdf,.pptx,.ppt,.docx,.doc,.xlsx,.odp,.odt,.png,.jpg,.jpeg,.webp,.gif,.bmp," +
  ".mp3,.m4a,.ogg,.opus,.wav,.flac,.mp4,.webm,.mov,.mkv";

export function Drawer({ desk }: { readonly desk: Desk }): JSX.Element | null {
  return desk.drawerOpen.value ? <OpenDrawer desk={desk} /> : null;
}

function OpenDrawer({ desk }: { readonly desk: Desk }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const over = useSignal(false);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.focus();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  const close = (): void => {
    desk.drawerOpen.value = false;
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    over.value = false;
    if (event.dataTransfer !== null) desk.addFiles(event.dataTransfer.files);
  };
  const materials = desk.materials.value;
  const uploads = desk.uploads.all.value;
  return (
    <div
      ref={box}
      class={`drawer${over.value ? " drawer-over" : ""}`}
      role="dialog"
      aria-label={t("mat.title")}
      tabIndex={-1}
      onKeyDown={(event) => event.key === "Escape" && close()}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={(event) => {
        if (!box.current?.contains(event.relatedTarget as Node | null)) over.value = false;
      }}
      onDrop={drop}
      data-test="drawer"
    >
      <div class="drawer-head">
        <h2>{t("mat.title")}</h2>
        <Button label={t("close")} icon="close" look="quiet" shape="icon-only" onPress={close} test="drawer-close" />
      </div>
      <div class="drawer-body">
        <Picker desk={desk} />
        {uploads.length > 0 && (
          <ul class="drawer-list">
            {uploads.map((one) => (
              <Sending key={one.id} desk={desk} one={one} />
            ))}
          </ul>
        )}
        {desk.refused.value !== "" && <StatusLine tone="weak" text={problemText(desk.refused.value)} />}
        <ul class="drawer-list" data-test="materials">
          {materials
            .slice()
            .reverse()
            .map((one) => (
              <Card key={one.id} desk={desk} one={one} />
            ))}
        </ul>
        <EarlierOnes desk={desk} />
      </div>
    </div>
  );
}

function Picker({ desk }: { readonly desk: Desk }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class="drawer-add">
      <Button label={t("mat.add")} icon="add" look="primary" onPress={() => input.current?.click()} test="add-files" />
      <input
        ref={input}
        type="file"
        multiple
        accept={ACCEPTED}
        hidden
        onChange={(event) => {
          const field = event.currentTarget;
          if (field.files !== null) desk.addFiles(field.files);
          // The same file may be chosen again.
          field.value = "";
        }}
        data-test="file"
      />
      <p class="soft">{t("mat.add.what")}</p>
    </div>
  );
}

function Sending({ desk, one }: { readonly desk: Desk; readonly one: Upload }): JSX.Element {
  const { id, name, bytes, sent, state, problem } = one;
  const part = bytes === 0 ? 0 : sent / bytes;
  return (
    <li class="card" data-test="upload" data-state={state}>
      <p class="card-name">{name}</p>
      {state === "failed" ? (
        <StatusLine tone="lost" text={problemText(problem)} />
      ) : (
        <>
          <p class="soft">{state === "waiting" ? t("mat.waits") : t("mat.sending", { percent: Math.floor(part * 100) })}</p>
          <Progress part={part} label={t("mat.sending.name", { name })} />
        </>
      )}
      <div class="card-actions">
        {state === "failed" && problem === "network" && (
          <Button label={t("media.retry")} icon="retry" onPress={() => desk.uploads.again(id)} />
        )}
        <Button label={t(state === "failed" ? "mat.dismiss" : "mat.cancel")} look="quiet" onPress={() => desk.uploads.drop(id)} />
      </div>
    </li>
  );
}

function EarlierOnes({ desk }: { readonly desk: Desk }): JSX.Element | null {
  const open = useSignal(false);
  const busy = useSignal("");
  const list = offered(desk.earlier.value, desk.model.page.link.lesson, desk.materials.value);
  if (list.length === 0) return null;
  return (
    <section class="earlier">
      <Button
        label={t("mat.earlier")}
        icon={open.value ? "fold" : "unfold"}
        look="quiet"
        expanded={open.value}
        onPress={() => (open.value = !open.value)}
        test="earlier"
      />
      {open.value && (
        <ul class="drawer-list">
          {list.map((one) => (
            <li key={one.lesson + one.material} class="earlier-one">
              <Icon name={one.kind === "deck" ? "slides" : one.kind === "song" ? "sound" : "play"} />
              <span class="earlier-name">
                {one.name}
                {one.pages > 0 && <span class="soft"> · {t("mat.pages", { count: one.pages })}</span>}
              </span>
              <Button
                label={t("mat.earlier.use")}
                disabled={busy.value !== ""}
                onPress={() => {
                  busy.value = one.material;
                  void desk.reuse(one).then(() => (busy.value = ""));
                }}
                test="reuse"
              />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
