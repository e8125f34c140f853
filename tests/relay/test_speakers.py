"""Whose classroom is heard first, in virtual time."""

import random
from collections.abc import Callable, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from liveclass.relay.speakers import HOLD_S, SILENCE_DB, SPEAKS_DB, UNTOLD_DB, Called, Loudness, Speakers

STEP_S = 0.1
QUIET, VOICE, LOUD = -65.0, -32.0, -18.0


class Lesson:
    """Called rooms that are as loud as they are told, looked at ten times a second."""

    def __init__(self, *rooms: str) -> None:
        self.speakers = Speakers()
        self.rooms = list(rooms)
        self.now = 100.0
        self.changes = 0
        self.live(10.0)
        self.changes = 0

    def live(self, seconds: float, levels: Mapping[str, float] | None = None, *, blind: Sequence[str] = ()) -> None:
        loud = levels or {}
        self.play(seconds, lambda room, _: loud.get(room, QUIET), blind=blind)

    def play(self, seconds: float, level: Callable[[str, float], float], *, blind: Sequence[str] = ()) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            called = [Called(room, level(room, self.now), room not in blind) for room in self.rooms]
            self.changes += self.speakers.update(called, self.now)

    def heard(self, count: int = 3) -> set[str]:
        return set(self.speakers.order[:count])


def test_rooms_that_begin_together_stand_in_the_order_of_the_calls() -> None:
    lesson = Lesson("a", "b", "c", "d", "e")
    assert lesson.speakers.order == ["a", "b", "c", "d", "e"]
    lesson.live(1.0, dict.fromkeys("abcde", VOICE))
    assert lesson.speakers.order == ["a", "b", "c", "d", "e"]


def test_who_speaks_is_heard_at_the_next_look_where_others_are_silent() -> None:
    lesson = Lesson("a", "b", "c", "d", "e")
    lesson.live(STEP_S, {"e": VOICE})
    assert lesson.heard() == {"e", "a", "b"}


def test_a_room_that_speaks_keeps_its_place_through_a_pause_of_two_seconds() -> None:
    lesson = Lesson("a", "b", "c", "d")
    lesson.live(3.0, {"a": VOICE, "b": VOICE, "c": VOICE})
    lesson.live(HOLD_S - STEP_S, {"a": VOICE, "b": VOICE, "d": VOICE})
    assert "c" in lesson.heard()
    lesson.live(3 * STEP_S, {"a": VOICE, "b": VOICE, "d": VOICE})
    assert lesson.heard() == {"a", "b", "d"}


def test_of_four_that_speak_the_three_loudest_are_heard_but_a_short_shout_changes_nothing() -> None:
    lesson = Lesson("a", "b", "c", "d")
    talk = {"a": VOICE, "b": VOICE, "c": VOICE, "d": VOICE}
    lesson.live(3.0, talk)
    lesson.live(0.5, {**talk, "d": LOUD})
    assert lesson.heard() == {"a", "b", "c"}
    lesson.live(2.0, talk)
    lesson.live(2.0, {**talk, "d": LOUD})
    assert "d" in lesson.heard()


def test_a_whisper_gives_way_wherever_it_stands() -> None:
    lesson = Lesson("a", "b", "c", "d")
    lesson.live(3.0, {"a": VOICE - 12, "b": VOICE, "c": VOICE})
    lesson.live(3.0, {"a": VOICE - 12, "b": VOICE, "c": VOICE, "d": VOICE})
    assert lesson.heard() == {"b", "c", "d"}


def test_rooms_of_about_the_same_loudness_do_not_flap() -> None:
    dice = random.Random(4)
    lesson = Lesson("a", "b", "c", "d", "e")
    lesson.live(2.0, dict.fromkeys("abcde", VOICE))
    lesson.changes = 0
    # Words and pauses of all at once for a minute, each word as loud as it comes.
    lesson.play(60.0, lambda _room, _now: VOICE + dice.uniform(-4, 4) if dice.random() < 0.7 else QUIET)
    assert lesson.changes == 0


def test_who_is_called_is_heard_and_seen_at_once_unless_others_speak() -> None:
    lesson = Lesson("a", "b", "c")
    lesson.rooms.append("d")
    lesson.live(STEP_S)
    assert "d" in lesson.heard()
    assert lesson.speakers.seen == "d"
    busy = Lesson("a", "b", "c")
    busy.live(3.0, {"a": VOICE, "b": VOICE, "c": VOICE})
    shown = busy.speakers.seen
    busy.rooms.append("d")
    busy.live(1.0, {"a": VOICE, "b": VOICE, "c": VOICE})
    assert busy.heard() == {"a", "b", "c"}
    assert busy.speakers.seen == shown


def test_the_picture_is_of_who_speaks_and_stays_while_nobody_else_does() -> None:
    lesson = Lesson("a", "b", "c")
    lesson.live(1.0, {"a": VOICE})
    assert lesson.speakers.seen == "a"
    lesson.live(30.0)
    assert lesson.speakers.seen == "a"
    lesson.live(0.5, {"b": VOICE})
    assert lesson.speakers.seen == "b"
    lesson.live(STEP_S, blind=["b"])
    assert lesson.speakers.seen != "b"
    assert "b" not in lesson.speakers.pictures


def test_whoever_leaves_is_forgotten() -> None:
    lesson = Lesson("a", "b")
    lesson.live(1.0, {"b": VOICE})
    lesson.rooms.remove("b")
    lesson.live(STEP_S)
    assert (lesson.speakers.order, lesson.speakers.pictures) == (["a"], ["a"])
    lesson.rooms.clear()
    lesson.live(STEP_S)
    assert (lesson.speakers.order, lesson.speakers.seen) == ([], "")


@settings(max_examples=50)
@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.floats(SILENCE_DB, 0)), max_size=60))
def test_any_history_orders_each_room_once(history: list[dict[str, float]]) -> None:
    speakers = Speakers()
    for number, levels in enumerate(history):
        speakers.update([Called(room, level) for room, level in levels.items()], number * STEP_S)
        assert sorted(speakers.order) == sorted(levels)
        assert sorted(speakers.pictures) == sorted(levels)


def test_a_word_counts_within_60_ms_and_a_pause_between_words_does_not() -> None:
    loudness = Loudness()
    now = 0.0

    def hear(level: int, packets: int) -> None:
        nonlocal now
        for _ in range(packets):
            now += 0.02
            loudness.heard(level, now)

    hear(80, 50)
    assert loudness.level(now) < SPEAKS_DB
    hear(30, 3)
    assert loudness.level(now) > SPEAKS_DB
    hear(30, 50)
    hear(80, 5)
    assert loudness.level(now) > SPEAKS_DB


def test_the_voice_flag_is_no_part_of_the_level() -> None:
    loudness = Loudness()
    for packet in range(100):
        loudness.heard(128 | 20, packet * 0.02)
    assert abs(loudness.level(2.0) + 20) < 1


def test_a_room_without_packets_is_silent_and_one_that_tells_no_loudness_speaks_softly() -> None:
    loudness = Loudness()
    assert loudness.level(5.0) == UNTOLD_DB
    loudness.heard(20, 5.0)
    assert loudness.level(6.0) == SILENCE_DB
