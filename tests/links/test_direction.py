"""The laws of an emulated link, in virtual time."""

import itertools

import pytest

from tests.links.direction import DOWN, UP, Arrival, Direction, total
from tests.links.profile import Profile

PACKET = bytes(1250)


def link(profile: Profile, side: int = DOWN) -> Direction:
    direction = Direction(side)
    direction.configure(profile, 0.0)
    return direction


def drive(direction: Direction, times: list[float], until: float, packet: bytes = PACKET) -> list[Arrival]:
    """Offers a packet at each of these times and follows the link's own deadlines until the end."""
    arrived: list[Arrival] = []
    offers = itertools.chain(times, [float("inf")])
    following, offer = float("inf"), next(offers)
    while min(following, offer) <= until:
        now = min(following, offer)
        came, following = direction.advance(now)
        arrived += came
        if offer <= now:
            direction.offer(packet, now)
            offer = next(offers)
            came, following = direction.advance(now)
            arrived += came
    return arrived


def every(step: float, count: int) -> list[float]:
    return [number * step for number in range(count)]


def test_a_perfect_link_delivers_at_once() -> None:
    arrived = drive(link(Profile()), [1.0, 2.0], 3)
    assert [round(one.due, 6) for one in arrived] == [1.0, 2.0]


def test_delay_is_added_to_the_time_on_the_wire() -> None:
    arrived = drive(link(Profile.of(None, down="100k", delay="150ms")), [0.0], 1)
    assert arrived[0].due == pytest.approx(0.1 + 0.15)


def test_no_more_gets_through_than_the_rate_carries() -> None:
    offered = every(0.01, 500)  # 1 Mbit/s into 400 kbit/s, for 5 s
    direction = link(Profile.of(None, down="400k"))
    arrived = drive(direction, offered, 5)
    assert total(arrived) * 8 / 5 == pytest.approx(400_000, rel=0.02)
    assert direction.counts["dropped_queue"] > 250


def test_nobody_waits_longer_than_the_queue_is_long() -> None:
    direction = link(Profile.of(None, down="400k", queue="300ms"))
    drive(direction, every(0.005, 1000), 6)
    assert direction.waits.percentiles()["max"] <= 300 + 1250 * 8 / 400


def test_each_direction_has_its_own_rate_and_dice() -> None:
    profile = Profile.of(None, down="400k", up="100k", loss="30%")
    down, up = link(profile, DOWN), link(profile, UP)
    fates = [[one.due for one in drive(side, every(0.2, 100), 30)] for side in (down, up)]
    assert fates[0] != fates[1]


@pytest.mark.parametrize("model", ["random", "burst"])
def test_the_share_of_lost_packets_is_as_ordered(model: str) -> None:
    direction = link(Profile.of(None, loss="5%", loss_model=model))
    drive(direction, every(0.005, 20_000), 101)
    assert direction.counts["dropped_loss"] / 20_000 == pytest.approx(0.05, abs=0.012)


def test_losses_come_in_bursts_of_the_length_that_was_ordered() -> None:
    direction = link(Profile.of(None, loss="5%", loss_model="burst", burst_length=4))
    arrived = {round(one.due, 4) for one in drive(direction, every(0.005, 20_000), 101)}
    lost = [round(at, 4) not in arrived for at in every(0.005, 20_000)]
    bursts = [len(list(run)) for missing, run in itertools.groupby(lost) if missing]
    assert sum(bursts) / len(bursts) == pytest.approx(4, rel=0.2)


def test_a_burst_is_forgotten_in_silence() -> None:
    direction = link(Profile.of(None, loss="20%", loss_model="burst", burst_length=50))
    arrived = {round(one.due, 4) for one in drive(direction, every(0.3, 2000), 601)}
    lost = [round(at, 4) not in arrived for at in every(0.3, 2000)]
    bursts = [len(list(run)) for missing, run in itertools.groupby(lost) if missing]
    assert sum(bursts) / len(bursts) < 2


def test_the_same_seed_brings_the_same_fate() -> None:
    fates = [
        [one.due for one in drive(link(Profile.of("mountain-3g", seed=seed)), every(0.05, 400), 30)]
        for seed in (5, 5, 6)
    ]
    assert fates[0] == fates[1]
    assert fates[0] != fates[2]


def test_jitter_keeps_the_order_unless_told_otherwise() -> None:
    numbered = [number.to_bytes(4, "big") for number in range(400)]

    def order(profile: Profile) -> list[bytes]:
        direction = link(profile)
        arrived: list[Arrival] = []
        for number, packet in enumerate(numbered):
            arrived += direction.advance(number * 0.01)[0]
            direction.offer(packet, number * 0.01)
        return [one.packet for one in arrived + direction.advance(10)[0]]

    assert order(Profile.of(None, delay="150ms", jitter="40ms")) == numbered
    overtaking = order(Profile.of(None, delay="150ms", jitter="40ms", reorder=True))
    assert sorted(overtaking) == numbered
    assert overtaking != numbered


def test_the_mean_delay_stays_what_was_ordered_in_spite_of_waiting_for_each_other() -> None:
    sent = every(0.02, 3000)
    arrived = drive(link(Profile.of(None, delay="150ms", jitter="40ms")), sent, 62)
    delays = [one.due - at for one, at in zip(arrived, sent, strict=True)]
    assert sum(delays) / len(delays) == pytest.approx(0.15, abs=0.015)


def test_an_outage_that_drops_loses_all_of_its_time() -> None:
    direction = link(Profile.of(None, outages=["at=1s,for=2s"]))
    arrived = drive(direction, every(0.1, 50), 6)
    assert not [one for one in arrived if 1 <= one.due < 3]
    assert direction.counts["dropped_outage"] == 20


def test_an_outage_that_holds_delivers_late_what_fits_into_the_queue() -> None:
    direction = link(Profile.of(None, down="100k", queue="500ms", outages=["at=1s,for=2s,mode=hold"]))
    arrived = drive(direction, every(0.2, 20), 10)
    assert not [one for one in arrived if 1.2 < one.due <= 3]
    assert direction.counts["dropped_outage"] == 0
    assert direction.counts["dropped_queue"] > 0
    assert [one for one in arrived if 3 < one.due < 3.5]


def test_a_new_profile_holds_from_now_on_and_its_outages_count_from_now() -> None:
    direction = link(Profile.of(None, outages=["at=0s,for=100s"]))
    direction.configure(Profile.of(None, outages=["at=5s,for=1s"]), 10.0)
    arrived = drive(direction, [11.0, 15.5, 17.0], 20)
    assert [one.due for one in arrived] == [11.0, 17.0]


def test_every_packet_has_one_fate() -> None:
    direction = link(Profile.of("barely", outages=["at=3s,for=1s"]))
    drive(direction, every(0.01, 1000), 8)
    counts = direction.counts
    fates = ("packets_out", "dropped_loss", "dropped_queue", "dropped_outage")
    assert counts["packets_in"] == sum(counts[name] for name in fates) + direction.waiting
