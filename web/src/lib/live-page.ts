/** What the two live pages share: the signalling socket, the WHEP session with its sound, and the pictures that the seats
 * carry now. The pages add what they send. */

import { computed, effect, type Signal, signal } from "@preact/signals";
import type { IceServer, Role } from "../generated/messages";
import { type Door, hasRelays, watchingDoor } from "./access";
import type { PageLink } from "./api";
import { type Board, boardAfter, EMPTY_BOARD } from "./board";
import { midOf, slotsOf } from "./lesson-view";
import { Signalling } from "./signalling";
import { Sound } from "./sound";
import type { Source } from "./stage";
import { Subscriber } from "./whep";

/** A refused message stays in words this long. */
const REFUSAL_SHOWN_MS = 6_000;

/** The link is the session's for this long after the page began to load; then the recording may be asked for as well. */
const OPENING_MS = 3_000;
/** A session that was begun without the TURN servers of the greeting is begun anew when no way was found by then: as long
 *  as connecting takes on a link of 300 ms that loses 5%. */
const DIRECT_WITHIN_MS = 5_000;
/** One that has others, which mostly still hold: a relay over TLS takes some round trips more. */
const RELAYED_WITHIN_MS = 8_000;

export class LivePage {
  readonly signalling: Signalling;
  readonly subscriber: Subscriber;
  readonly sound = new Sound();
  /** The person left on purpose; only they bring the page back. */
  readonly left = signal(false);
  /** The session was answered, or will not be soon: other requests do not hold up the first sound any more. */
  readonly settled = signal(false);
  /** A classroom watches before it is greeted, unless the server refused that. */
  private readonly ahead: Signal<boolean>;

  readonly view = computed(() => this.signalling.view.value);
  /** The blackboard but for its strokes. */
  readonly board = signal<Board>(EMPTY_BOARD);
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
    this.ahead = signal(role === "classroom");
    this.subscriber = new Subscriber(
      () => this.door(),
      () => this.signalling.access.peek()?.iceServers ?? [],
    );
    this.signalling.listen((message) => {
      this.board.value = boardAfter(this.board.peek(), message);
      if (message.type === "welcome") {
        this.subscriber.session.ownedBy(message.owner);
        this.subscriber.session.hurry();
        this.offerRelay(message.ice_servers ?? []);
      }
      if (message.type === "media_closed") this.subscriber.session.closedByServer(message.session);
    });
    this.signalling.onMoved(() => this.subscriber.session.moved());
    effect(() => {
      const wanted =
        (this.signalling.access.value !== null || this.ahead.value) &&
        !this.left.value &&
        this.signalling.phase.value !== "refused" &&
        this.lessonState.value !== "ended";
      this.subscriber.session.want(wanted, this.lessonState.value === "ended");
    });
    effect(() => {
      // No such lesson, or not yet: the greeting says what is the matter, and media follows it.
      if (this.subscriber.session.refusal.value !== "" && this.signalling.access.peek() === null) this.ahead.value = false;
    });
    effect(() => {
      const { id, phase } = this.subscriber.session;
      if (id.value !== "" || phase.value === "waiting") this.settled.value = true;
    });
    setTimeout(() => (this.settled.value = true), Math.max(0, OPENING_MS - performance.now()));
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

  /** The server's clock now, milliseconds since 1970, as well as this page knows it. */
  serverNowMs(): number {
    return this.signalling.serverNowMs() ?? Date.now() + (this.view.peek()?.clockOffsetMs ?? 0);
  }

  /** The bearer token of this participant's media; the link's own where the server has not given one yet. */
  token(): string {
    return this.signalling.access.peek()?.token ?? this.link.token;
  }

  private door(): Door {
    return watchingDoor(this.signalling.access.peek(), this.link.lesson, this.role, this.link.token);
  }

  /** TURN servers are known now: where the network lets nothing else through, the session needs them. One that was begun
   *  with credentials of an earlier greeting may have dead ones: the secret was changed, or this machine's clock. */
  private offerRelay(iceServers: readonly IceServer[]): void {
    const { session } = this.subscriber;
    const pc = session.pc.peek();
    if (pc === null || iceServers.length === 0 || hasRelays(pc, iceServers)) return;
    const others = (pc.getConfiguration().iceServers ?? []).length > 0;
    const withinMs = others ? RELAYED_WITHIN_MS : DIRECT_WITHIN_MS;
    setTimeout(() => {
      if (session.pc.peek() === pc && session.phase.peek() === "connecting") session.renew();
    }, withinMs);
  }

  /** The stream of a picture, when a seat carries it. */
  streamOf(source: Source): MediaStream | null {
    return this.subscriber.stream(midOf(this.slots.value, source.participant, source.kind));
  }
}
