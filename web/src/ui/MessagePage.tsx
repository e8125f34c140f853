/** A page of one message with a way on: a wrong link, an old browser, a lesson that is over. */

import type { ComponentChildren, JSX } from "preact";
import { LanguageSwitch } from "./LanguageSwitch";

export interface MessagePageProps {
  readonly title: string;
  readonly text?: string | undefined;
  readonly children?: ComponentChildren;
  readonly test?: string | undefined;
}

export function MessagePage({ title, text, children, test }: MessagePageProps): JSX.Element {
  return (
    <main class="message-page" data-test={test}>
      <h1>{title}</h1>
      {text !== undefined && <p>{text}</p>}
      {children}
      <LanguageSwitch />
    </main>
  );
}
