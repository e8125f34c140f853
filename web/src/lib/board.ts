/** The present state of the blackboard but for its strokes: what the server told, with each event applied. Pure: the same
 * sum as `lesson/board.py`, so that live pages and the replay agree with the server. Strokes stand in `board/state.ts`,
 * which is loaded where something is drawn. */

import type { Answer, BoardState, Happened, Line, Material, Poll, ServerMessage } from "../generated/messages";

export type Board = Omit<BoardState, "type" | "strokes">;

const POLLS_KEPT = 20;
const CHAT_KEPT = 50;

export const EMPTY_BOARD: Board = {
  seq: 0,
  at_ms: 0,
  stage: { stage: "live", page: "", material: "", source: "camera" },
  pages: [],
  boards: 1,
  materials: [],
  player: null,
  timer: null,
  mode: "speech",
  heads: [],
  hands: [],
  signs: [],
  picked: "",
  polls: [],
  chat: [],
  drawing: [],
};

/** The board after a message; the same object when that says nothing of it. */
export function boardAfter(board: Board, message: ServerMessage): Board {
  if (message.type === "board") return message;
  // What the state told at the greeting has in it already must not count twice.
  if (message.type !== "happened" || message.seq <= board.seq) return board;
  return happened(board, message);
}

/** One event more. */
export function happened(board: Board, { seq, at_ms, by, event }: Happened): Board {
  const next = { ...board, seq, at_ms };
  switch (event.type) {
    case "stage_shown": {
      const { stage, page = "", material = "", source = "camera" } = event;
      const blank = stage === "page" && ownerOf(page) === "b" ? numberOf(page) : 0;
      return { ...next, stage: { stage, page, material, source }, boards: Math.max(board.boards, blank) };
    }
    case "stroke_begun":
      return board.pages.indexOf(event.page) >= 0 ? next : { ...next, pages: board.pages.concat([event.page]) };
    case "material_changed":
      return { ...next, materials: withMaterial(board.materials, event.material) };
    case "material_removed": {
      const shown = board.stage.material === event.id || ownerOf(board.stage.page) === event.id;
      return {
        ...next,
        materials: board.materials.filter((one) => one.id !== event.id),
        pages: board.pages.filter((key) => ownerOf(key) !== event.id),
        player: board.player?.material === event.id ? null : board.player,
        stage: shown ? { ...EMPTY_BOARD.stage, source: board.stage.source } : board.stage,
      };
    }
    case "played": {
      const { material, playing, position_ms } = event;
      return { ...next, player: { material, playing, position_ms, at_ms } };
    }
    case "mode_set":
      return { ...next, mode: event.mode };
    case "heads_set":
      return { ...next, heads: others(board.heads, event.participant).concat([{ participant: event.participant, heads: event.heads }]) };
    case "hand_raised":
      if (board.hands.some((one) => one.participant === event.participant)) return next;
      return { ...next, hands: board.hands.concat([{ participant: event.participant, at_ms }]) };
    case "hand_lowered":
      return { ...next, hands: others(board.hands, event.participant) };
    case "sign_given": {
      const rest = others(board.signs, event.participant);
      const { participant, sign } = event;
      return { ...next, signs: sign === "" ? rest : rest.concat([{ participant, sign, at_ms }]) };
    }
    case "picked":
      return { ...next, picked: event.participant };
    case "timer_set":
      return { ...next, timer: event.seconds > 0 ? { seconds: event.seconds, at_ms } : null };
    case "poll_opened": {
      const { poll, question, choices } = event;
      const opened: Poll = { poll, question, choices, state: "open", right: null, answers: [] };
      return { ...next, polls: board.polls.concat([opened]).slice(-POLLS_KEPT) };
    }
    case "poll_answered": {
      const { participant, name, counts } = event;
      const answer: Answer = { participant, name, counts };
      return withPoll(next, event.poll, (poll) => ({ ...poll, answers: others(poll.answers, participant).concat([answer]) }));
    }
    case "poll_closed":
      return withPoll(next, event.poll, (poll) => ({ ...poll, state: "closed" }));
    case "poll_revealed":
      return withPoll(next, event.poll, (poll) => ({ ...poll, state: "revealed", right: event.right }));
    case "said": {
      const line: Line = { seq, at_ms, by, name: event.name, role: event.role, text: event.text };
      return { ...next, chat: board.chat.concat([line]).slice(-CHAT_KEPT) };
    }
    case "drawing_allowed": {
      const rest = board.drawing.filter((who) => who !== event.participant);
      return { ...next, drawing: event.may ? rest.concat([event.participant]) : rest };
    }
    case "lesson_ended":
      return { ...next, hands: [], signs: [], timer: null, picked: "" };
    default:
      return next;
  }
}

/** The material a page belongs to; `b` for blank boards. */
export function ownerOf(page: string): string {
  return page.slice(0, Math.max(0, page.lastIndexOf(".")));
}

/** The number of a page, from 1. */
export function numberOf(page: string): number {
  return Number(page.slice(page.lastIndexOf(".") + 1));
}

function others<T extends { readonly participant: string }>(all: readonly T[], participant: string): readonly T[] {
  return all.filter((one) => one.participant !== participant);
}

function withMaterial(all: readonly Material[], changed: Material): readonly Material[] {
  const place = all.findIndex((one) => one.id === changed.id);
  if (place < 0) return all.concat([changed]);
  const out = all.slice();
  out[place] = changed;
  return out;
}

function withPoll(board: Board, id: string, change: (poll: Poll) => Poll): Board {
  return { ...board, polls: board.polls.map((poll) => (poll.poll === id ? change(poll) : poll)) };
}
