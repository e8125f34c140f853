"""The law of what a link may be, and of how it is written down."""

import json

import pytest

from tests.links.course import COURSES, Course, Stage
from tests.links.profile import PROFILES, Outage, Profile


def test_units_are_read_as_written() -> None:
    link = Profile.of(None, down="1.5M", up="64k", delay="150ms/80ms", loss="5%", queue="1m", jitter=0.02)
    assert (link.down, link.up, link.delay, link.loss) == (1_500_000, 64_000, (0.15, 0.08), (0.05, 0.05))
    assert (link.queue, link.jitter) == (60, (0.02, 0.02))


@pytest.mark.parametrize(
    "wrong",
    [
        {"down": "500q"},
        {"loss": "150%"},
        {"colour": "red"},
        {"loss_model": "sometimes"},
        {"burst_length": 0.5},
        {"outages": ["at=3s"]},
        {"outages": ["at=3s,for=1s,mode=often"]},
        {"down": -1},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Profile.of("fibre", **wrong)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="mountain-3g"):
        Profile.of("moon")


def test_a_change_leaves_the_rest_as_it_was() -> None:
    changed = Profile.of("mountain-3g", loss="20%")
    assert changed.loss == (0.2, 0.2)
    assert changed.down == PROFILES["mountain-3g"].down


def test_a_profile_survives_its_way_through_json() -> None:
    link = Profile.of("barely", outages=["at=20s,for=6s,every=60s,mode=hold", Outage(1, 2)])
    assert Profile.from_json(json.loads(json.dumps(link.to_json()))) == link


def test_an_outage_covers_its_time_and_comes_again() -> None:
    once, often = Outage(20, 6), Outage(20, 6, every_s=60)
    assert [once.end_of(at) for at in (19.9, 20, 25.9, 26, 80)] == [None, 26, 26, None, None]
    assert often.end_of(83) == 86


def test_twice_the_delay_leaves_rate_and_loss() -> None:
    once, twice = PROFILES["mountain-3g"], PROFILES["mountain-3g"].with_delay(2)
    assert twice.delay == (0.3, 0.3)
    assert (twice.down, twice.loss) == (once.down, once.loss)


def test_a_course_gives_each_moment_its_profile_and_loads_pages_without_outage() -> None:
    steps = COURSES["steps"]
    assert [steps.profile_at(at).down for at in (0, 24.9, 25, 59.9, 60)] == [300e3, 300e3, 1500e3, 1500e3, 300e3]
    assert COURSES["outage-10s"].outage() == (15, 25)
    assert COURSES["outage-10s"].loading().outages == ()
    assert steps.outage() is None


def test_a_course_begins_at_its_begin() -> None:
    with pytest.raises(ValueError, match="begin at 0"):
        Course("late", (Stage(3, Profile()),))
