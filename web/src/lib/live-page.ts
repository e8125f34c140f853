/** What the two live pages share: the signalling socket, the WHEP session with its sound, and the pictures that the seats
 * carry now. The pages add what they send. */

import { computed, effect, signal } from "@preact/signals";
import type { Role } from "../generated/messages";
import type { PageLink } from "./api";
import { midOf, slotsOf } from "./lesson-view";
import { Signalling } from "./signalling";
import { Sound } from "./sound";
import type { Source } from "./stage";
import { Subscriber } from "./whep";

/** A refused message stays in words this long. */
const REFUSAL_SHOWN_MS = 6_000;

export class LivePage {
  readonly signalling: Signalling;
  readonly subscriber: Subscriber;
  readonly sound = new Sound();
  /** The person left on purpose; only they bring the page back. */
  readonly left = signal(false);

  readonly view = computed(() => this.signalling.view.value);
  readonly lessonState = computed(() => this.view.value?.lesson.state ?? null);
  readonly slots = computed(() => {
    const view = this.view.value;
    return view === null ? [] : slotsOf(view, this.subscriber.session.id.value);
  });
  /** The socket is lost, or never was there. */
  readonly signallingLost = computed(() => this.signalling.phase.value !== "ready");

  constructor(
    readonly link: PageLink,
    readonly role: Role,
  ) {
    this.signalling = new Signalling({ lesson: link.lesson, role, token: link.token });
    this.subscriber = new Subscriber(
      () => this.signalling.access.peek()?.whepUrl ?? "",
      () => this.token(),
      () => this.signalling.access.peek()?.iceServers ?? [],
    );
    this.signalling.listen((message) => {
      if (message.type === "welcome") this.subscriber.session.hurry();
      if (message.type === "media_closed") this.subscriber.session.closedByServer(message.session);
    });
    effect(() => {
      const wanted =
        this.signalling.access.value !== null &&
        !this.left.value &&
        this.signalling.phase.value !== "refused" &&
        this.lessonState.value !== "ended";
      this.subscriber.session.want(wanted, this.lessonState.value === "ended");
    });
    effect(() => {
      if (this.subscriber.session.phase.value === "up") this.signalling.reachable();
    });
    effect(() => this.sound.play(this.subscriber.seats.value));
    effect(() => {
      if (this.signalling.refusal.value === "") return undefined;
      const timer = setTimeout(() => {
        this.signalling.refusal.value = "";
      }, REFUSAL_SHOWN_MS);
      return () => clearTimeout(timer);
    });
  }

  /** The bearer token of this participant's media; the link's own where the server has not given one yet. */
  token(): string {
    return this.signalling.access.peek()?.token ?? this.link.token;
  }

  /** The stream of a picture, when a seat carries it. */
  streamOf(source: Source): MediaStream | null {
    return this.subscriber.stream(midOf(this.slots.value, source.participant, source.kind));
  }
}
