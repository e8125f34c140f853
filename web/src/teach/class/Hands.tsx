/** Who has a question, first come first, and a draw for when nobody has. */

import type { JSX } from "preact";
import { clock, t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import type { TeachModel } from "../model";
import type { RoomsModel } from "./model";
import { signText } from "./signs";

export function Hands({ model }: { readonly model: TeachModel }): JSX.Element {
  const { rooms } = model;
  const queue = rooms.queue.value;
  const signs = model.page.board.value.signs;
  return (
    <>
      <div class="panel-body">
        {queue.length === 0 && <p class="soft panel-none">{t("hands.none")}</p>}
        <ol class="queue">
          {queue.map(({ id, name, waitingS, one }) => (
            <li key={id} class="queue-row" data-test="queued">
              <span class="queue-name">
                <strong>{name}</strong>
                <span class="soft">{t("hands.waiting", { time: clock(waitingS) })}</span>
              </span>
              {one !== null && !one.called && (
                <Button
                  label={t("tile.call")}
                  hint={t("tile.call.name", { name })}
                  icon="call"
                  look="primary"
                  disabled={!one.online}
                  onPress={() => rooms.call(id)}
                  test="call-queued"
                />
              )}
              {one?.called === true && <span class="queue-speaking">{t("tile.called")}</span>}
              <Button
                label={t("hands.answered")}
                hint={t("hands.answered.name", { name })}
                icon="check"
                onPress={() => rooms.lower(id)}
                test="answered"
              />
            </li>
          ))}
        </ol>
        {signs.length > 0 && (
          <>
            <h3>{t("signs.title")}</h3>
            <ul class="queue">
              {signs.map(({ participant, sign }) => (
                <SignRow key={participant} rooms={rooms} participant={participant} sign={sign} />
              ))}
            </ul>
          </>
        )}
      </div>
      <div class="panel-foot">
        <span data-first>
          <Button
            label={t("pick.start")}
            icon="chance"
            disabled={!rooms.classrooms.value.some((one) => one.online)}
            onPress={() => rooms.send({ type: "pick" })}
            test="pick"
          />
        </span>
        <Button
          label={t(rooms.chimes.value ? "chime.on" : "chime.off")}
          icon={rooms.chimes.value ? "sound" : "sound-off"}
          look="quiet"
          pressed={rooms.chimes.value}
          onPress={() => rooms.setChimes(!rooms.chimes.peek())}
          test="chime"
        />
      </div>
    </>
  );
}

interface SignRowProps {
  readonly rooms: RoomsModel;
  readonly participant: string;
  readonly sign: string;
}

function SignRow({ rooms, participant, sign }: SignRowProps): JSX.Element | null {
  const one = rooms.classrooms.value.find((room) => room.id === participant);
  if (one === undefined || sign === "") return null;
  return (
    <li class="queue-row">
      <span class="queue-name">
        <strong>{one.name}</strong>
        <span class="sign-words">
          <Icon name="weak" />
          {t(signText(sign))}
        </span>
      </span>
      <Button label={t("signs.seen")} hint={t("signs.seen.name", { name: one.name })} icon="check" onPress={() => rooms.lower(participant)} />
    </li>
  );
}
