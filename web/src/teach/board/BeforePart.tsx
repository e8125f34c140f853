/** Before the lesson: what is made ready for it, and what kind of lesson it will be. */

import type { JSX } from "preact";
import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { Desk } from "./desk";
import { Kind } from "./Kind";

export function BeforePart({ desk }: { readonly desk: Desk }): JSX.Element {
  const all = desk.materials.value;
  const working = all.filter((one) => one.state === "working").length + desk.uploads.all.value.filter((one) => one.state !== "failed").length;
  const ready = all.filter((one) => one.state === "ready").length;
  const said = [
    ready > 0 ? t("mat.count.ready", { count: ready }) : "",
    working > 0 ? t("mat.count.working", { count: working }) : "",
  ].filter((one) => one !== "");
  return (
    <section class="before-part">
      <h2>{t("mat.title")}</h2>
      <div class="before-materials">
        <p class="soft" role="status">
          {said.length === 0 ? t("mat.count.none") : said.join(t("mat.count.join"))}
        </p>
        <Button label={t(all.length === 0 ? "mat.add" : "mat.open")} icon="slides" onPress={() => (desk.drawerOpen.value = true)} test="slides" />
      </div>
      <Kind desk={desk} group="kind-before" />
    </section>
  );
}
