/** The bar's buttons for the classrooms: hands, a question, the timer, the chat. */

import type { JSX } from "preact";
import { clock, t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { RoomsModel } from "./model";
import { answered } from "./poll";

export function RoomButtons({ rooms }: { readonly rooms: RoomsModel }): JSX.Element {
  const open = rooms.panel.value;
  const hands = rooms.queue.value.length;
  const unread = rooms.unread.value;
  const poll = rooms.openPoll.value;
  const left = rooms.left.value;
  const online = rooms.classrooms.value.filter((one) => one.online).map((one) => one.id);
  const answers = poll === null ? null : answered(poll, online);
  return (
    <>
      <Button
        label={t("rooms.hands")}
        icon="hand"
        shape="stacked"
        class={hands > 0 ? "bar-asked" : ""}
        expanded={open === "hands"}
        onPress={() => rooms.toggle("hands")}
        test="hands"
      >
        <Badge shown={hands > 0 ? String(hands) : ""} said={t("rooms.hands.count", { count: hands })} />
      </Button>
      <Button
        label={t("rooms.ask")}
        icon="chart"
        shape="stacked"
        expanded={open === "ask"}
        onPress={() => rooms.toggle("ask")}
        test="ask"
      >
        <Badge
          shown={answers === null ? "" : `${answers.count}/${answers.of}`}
          said={answers === null ? "" : t("poll.answered", { answered: answers.count, count: answers.of })}
        />
      </Button>
      <Button
        label={t("rooms.timer")}
        icon="wait"
        shape="stacked"
        expanded={open === "timer"}
        onPress={() => rooms.toggle("timer")}
        test="timer"
      >
        <Badge shown={left === null ? "" : clock(Math.ceil(left))} said="" />
      </Button>
      <Button
        label={t("rooms.chat")}
        icon="chat"
        shape="stacked"
        expanded={open === "chat"}
        onPress={() => rooms.toggle("chat")}
        test="chat"
      >
        <Badge shown={unread > 0 ? String(unread) : ""} said={t("chat.unread", { count: unread })} />
      </Button>
    </>
  );
}

/** A figure at the corner of a button, and the same in words for those who hear the page. */
function Badge({ shown, said }: { readonly shown: string; readonly said: string }): JSX.Element | null {
  if (shown === "") return null;
  return (
    <span class="badge" data-test="badge">
      <span aria-hidden="true">{shown}</span>
      {said !== "" && <span class="visually-hidden">{said}</span>}
    </span>
  );
}
