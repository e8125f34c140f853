"""The timeline in virtual time: drift, jitter, jumps and pauses of a simulated publisher, against the true instants."""

import heapq
import random
from dataclasses import dataclass, field

import pytest

from liveclass.errors import UsageError
from liveclass.rtp.clock import PublisherClock, SourceClock

LIP_SYNC_S = 0.08
UNIX_1900_S = 3_900_000_000.0


@dataclass
class Source:
    """A simulated source: its crystal, its encoder, its way to us, and what the timeline made of it."""

    clock: SourceClock
    rate: int
    interval_s: float
    drift: float = 0.0
    encode_s: float = 0.0
    first_tick: int = 0
    lag_s: float = 0.0
    report_s: tuple[float, float] = (1.0, 5.0)
    first_report_s: float = 1.0
    paused: tuple[float, float] = (0.0, 0.0)
    tick_jumps: list[tuple[float, int]] = field(default_factory=list)
    lost_samples: list[tuple[float, float]] = field(default_factory=list)
    errors: list[tuple[float, float]] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)

    def ticks(self, t: float) -> int:
        """The RTP timestamp of what is sampled at `t` of our clock."""
        stopped = min(max(t - self.paused[0], 0.0), self.paused[1] - self.paused[0])
        stopped += sum(s for at, s in self.lost_samples if t >= at)
        ticks = self.first_tick + (t - stopped) * (1 + self.drift) * self.rate
        ticks += sum(jump for at, jump in self.tick_jumps if t >= at)
        return round(ticks) & 0xFFFFFFFF


@dataclass
class World:
    """Runs sources of one publisher through a jittering network into their clocks."""

    seed: int
    wall_drift: float = 0.0
    wall_jumps: list[tuple[float, float]] = field(default_factory=list)
    base_delay_s: float = 0.05
    jitter_s: float = 0.2
    stalls: list[tuple[float, float]] = field(default_factory=list)
    queue: list[tuple[float, float]] = field(default_factory=list)

    def wall(self, t: float) -> float:
        """What the publisher's wall clock says at `t` of our clock."""
        return UNIX_1900_S + t * (1 + self.wall_drift) + sum(jump for at, jump in self.wall_jumps if t >= at)

    def arrival(self, sent: float, rng: random.Random) -> float:
        delay = self.base_delay_s + rng.uniform(0, self.jitter_s)
        for at, extra in self.queue:
            if sent >= at:
                delay = self.base_delay_s + extra + rng.uniform(0, self.jitter_s)
        at = sent + delay
        for begin, end in self.stalls:
            if begin <= at < end:
                at = end + (at - begin) * 0.05
        return at

    def run(self, sources: list[Source], until: float, start: float = 0.0) -> None:
        rng = random.Random(self.seed)
        events: list[tuple[float, int, str, Source, int, float]] = []
        order = 0
        for source in sources:
            t = start + rng.uniform(0, source.interval_s)
            in_order = 0.0
            while t < until:
                if not source.paused[0] <= t < source.paused[1]:
                    at = self.arrival(t + source.encode_s, rng)
                    ticks = source.ticks(t)
                    events.append((at, order, "packet", source, ticks, t))
                    # Behind a perfect reorder buffer.
                    in_order = max(in_order, at)
                    events.append((in_order + source.lag_s, order + 1, "unit", source, ticks, t))
                    order += 2
                t += source.interval_s
            t = start + source.first_report_s
            while t < until:
                at = self.arrival(t, rng)
                events.append((at, order, "report", source, source.ticks(t), self.wall(t)))
                order += 1
                t += rng.uniform(*source.report_s)
        heapq.heapify(events)
        while events:
            now, _, kind, source, ticks, value = heapq.heappop(events)
            if kind == "packet":
                source.clock.arrival(ticks, now)
            elif kind == "report":
                source.clock.sender_report(value, ticks, now)
            else:
                answer = source.clock.to_timeline(ticks)
                source.answers.append(answer)
                source.errors.append((value, answer - value))


def classroom_pair(seed: int, publisher: PublisherClock, drift_ppm: float) -> tuple[Source, Source]:
    """Microphone and camera of one volunteer, drifting apart."""
    rng = random.Random(seed)
    sound = Source(
        SourceClock(48_000, publisher),
        48_000,
        0.04,
        drift=drift_ppm * 1e-6,
        first_tick=rng.randrange(1 << 32),
        lag_s=0.0,
        first_report_s=2.5,
    )
    picture = Source(
        SourceClock(90_000, publisher),
        90_000,
        1 / 12,
        drift=-drift_ppm * 1e-6,
        encode_s=0.05,
        first_tick=rng.randrange(1 << 32),
        lag_s=2.0,
        first_report_s=0.6,
    )
    return sound, picture


def apart(one: Source, other: Source, since: float, until: float = 1e9) -> float:
    """The largest distance between the errors of two sources in any half second."""
    worst = 0.0
    bins: dict[int, list[float]] = {}
    for true, error in one.errors:
        bins.setdefault(int(true * 2), []).append(error)
    for true, error in other.errors:
        if since <= true < until:
            for peer in bins.get(int(true * 2), []):
                worst = max(worst, abs(peer - error))
    return worst


def assert_monotonic(*sources: Source) -> None:
    for source in sources:
        assert all(a <= b for a, b in zip(source.answers, source.answers[1:], strict=False))


@pytest.mark.parametrize("drift_ppm", [200, -200])
@pytest.mark.parametrize("wall_drift_ppm", [200, -200])
def test_sound_and_picture_stay_together_for_an_hour_of_drift(drift_ppm: int, wall_drift_ppm: int) -> None:
    seed = drift_ppm + wall_drift_ppm + 1000
    publisher = PublisherClock()
    sound, picture = classroom_pair(seed, publisher, drift_ppm)
    World(seed, wall_drift=wall_drift_ppm * 1e-6).run([sound, picture], 3600.0)
    assert_monotonic(sound, picture)
    assert apart(sound, picture, since=8.0) < LIP_SYNC_S, f"seed {seed}"
    # The timeline as a whole stays with the lesson too: late by at most the least delay of the path and a bit.
    assert all(-0.05 < error < 0.3 for true, error in sound.errors if true > 20)
    assert sound.clock.discontinuities == picture.clock.discontinuities == 0


def test_the_first_seconds_need_no_report() -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(1, publisher, 100)
    sound.first_report_s = picture.first_report_s = 20.0
    World(1).run([sound, picture], 19.0)
    assert_monotonic(sound, picture)
    # Without reports the difference of the encoders' delays (50 ms) stays.
    assert apart(sound, picture, since=5.0) < LIP_SYNC_S


def test_the_first_report_is_reached_without_a_jump_back() -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(2, publisher, 0)
    picture.encode_s = 0.3
    sound.first_report_s = 6.0
    picture.first_report_s = 9.0
    World(2).run([sound, picture], 60.0)
    assert_monotonic(sound, picture)
    assert apart(sound, picture, since=16.0) < LIP_SYNC_S


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 5.0, -5.0, 0.7, -0.7])
def test_a_jump_of_the_wall_clock_moves_nothing(jump_s: float) -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(3, publisher, 50)
    World(3, wall_jumps=[(60.0, jump_s), (150.0, -jump_s)]).run([sound, picture], 240.0)
    assert_monotonic(sound, picture)
    assert apart(sound, picture, since=8.0) < LIP_SYNC_S
    assert all(abs(error) < 0.4 for true, error in sound.errors + picture.errors if true > 10)


def test_ten_jumps_of_the_wall_clock_leave_lip_sync() -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(4, publisher, 50)
    jumps = [(30.0 + 20 * n, random.Random(n).uniform(-9000, 9000)) for n in range(10)]
    World(4, wall_jumps=jumps).run([sound, picture], 260.0)
    assert apart(sound, picture, since=8.0) < LIP_SYNC_S


def test_timestamps_wrap_without_notice() -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(5, publisher, 100)
    sound.first_tick = 0xFFFFFFFF - 48_000 * 30
    picture.first_tick = 0xFFFFFFFF - 90_000 * 33
    World(5).run([sound, picture], 90.0)
    assert_monotonic(sound, picture)
    assert apart(sound, picture, since=8.0) < LIP_SYNC_S
    assert sound.clock.discontinuities == picture.clock.discontinuities == 0


@pytest.mark.parametrize("jump", [0x40000000, 0x80000000, 0xC0000000, 90_000 * 60, -90_000 * 60])
def test_a_jump_of_the_timestamps_is_one_discontinuity(jump: int) -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(6, publisher, 100)
    picture.tick_jumps = [(50.0, jump)]
    World(6).run([sound, picture], 120.0)
    assert_monotonic(sound, picture)
    assert picture.clock.discontinuities == 1
    assert sound.clock.discontinuities == 0
    assert all(abs(error) < 0.4 for true, error in picture.errors if true > 10)
    assert apart(sound, picture, since=8.0, until=49.0) < LIP_SYNC_S
    assert apart(sound, picture, since=60.0) < LIP_SYNC_S


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("seconds", [1.5, 4.0, 13.0, 60.0])
def test_a_pause_that_the_timestamps_do_not_tell_ends_where_it_ended(seconds: float, seed: int) -> None:
    """Browsers stop the audio clock while no track is attached."""
    publisher = PublisherClock()
    sound, picture = classroom_pair(seed, publisher, 0)
    sound.paused = (40.0, 40.0 + seconds)
    World(seed).run([sound, picture], 60.0 + seconds)
    assert_monotonic(sound, picture)
    assert all(abs(error) < 0.4 for true, error in sound.errors if true > 10)
    assert apart(sound, picture, since=55.0 + seconds) < LIP_SYNC_S


def test_a_pause_of_all_sources_is_found_out_within_two_seconds() -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(8, publisher, 0)
    sound.paused = picture.paused = (40.0, 70.0)
    World(8).run([sound, picture], 120.0)
    assert_monotonic(sound, picture)
    assert all(abs(error) < 0.4 for true, error in sound.errors + picture.errors if true > 73.0)
    assert apart(sound, picture, since=80.0) < LIP_SYNC_S


def test_a_stalled_network_is_no_pause() -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(9, publisher, 0)
    World(9, stalls=[(30.0, 33.0), (60.0, 61.0)]).run([sound, picture], 120.0)
    assert_monotonic(sound, picture)
    assert sound.clock.discontinuities == picture.clock.discontinuities == 0
    assert apart(sound, picture, since=8.0) < LIP_SYNC_S


@pytest.mark.parametrize("extra_s", [0.3, 1.0])
def test_a_long_queue_moves_sound_and_picture_alike(extra_s: float) -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(10, publisher, 0)
    World(10, queue=[(0.0, extra_s), (30.0, 0.0), (60.0, extra_s), (90.0, 0.0)]).run([sound, picture], 180.0)
    assert_monotonic(sound, picture)
    assert apart(sound, picture, since=12.0) < LIP_SYNC_S
    assert all(abs(error) < 0.4 for true, error in sound.errors if true > 90)


@pytest.mark.parametrize("lost_s", [0.2, 0.6, 3.0])
@pytest.mark.parametrize("at", [40.0, 40.7, 41.4, 42.1, 42.8])
def test_samples_that_a_device_lost_are_found_by_the_next_reports(at: float, lost_s: float) -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(11, publisher, 0)
    sound.lost_samples = [(at, lost_s)]
    World(11).run([sound, picture], 80.0)
    assert_monotonic(sound, picture)
    assert apart(sound, picture, 8.0, 39.0) < LIP_SYNC_S
    assert apart(sound, picture, 58.0) < LIP_SYNC_S


def test_what_one_source_alone_takes_for_a_jump_of_the_clock_is_corrected() -> None:
    """Lost just before a report: arrivals cannot show it yet, and only the other source knows that no clock jumped."""
    publisher = PublisherClock()
    sound, picture = classroom_pair(17, publisher, 0)
    sound.report_s, picture.report_s = (1.0, 1.0), (5.0, 5.0)
    sound.lost_samples = [(41.3, 0.6)]
    World(17).run([sound, picture], 80.0)
    assert_monotonic(sound, picture)
    assert apart(sound, picture, since=48.0) < LIP_SYNC_S


def test_a_first_report_that_contradicts_the_arrivals_is_not_believed() -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(15, publisher, 0)
    sound.first_report_s = 4.0
    World(15, wall_jumps=[(3.9, 100.0), (4.1, -100.0)]).run([sound, picture], 60.0)
    assert_monotonic(sound, picture)
    assert all(abs(error) < 0.4 for true, error in sound.errors + picture.errors if true > 3)
    assert apart(sound, picture, since=12.0) < LIP_SYNC_S


def test_after_a_jump_of_the_timestamps_lip_sync_does_not_wait_for_a_report() -> None:
    """What was learnt of the encoder's delay holds for the new timestamps."""
    publisher = PublisherClock()
    sound, picture = classroom_pair(16, publisher, 0)
    picture.encode_s = 0.3
    picture.report_s = (10.0, 10.0)
    picture.tick_jumps = [(51.0, 0x50000000)]
    World(16, jitter_s=0.05).run([sound, picture], 60.0)
    assert apart(sound, picture, since=51.5, until=60.0) < LIP_SYNC_S


def test_reports_that_make_no_sense_do_no_harm() -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(12, publisher, 50)
    World(12).run([sound, picture], 60.0)
    rng = random.Random(12)
    for _ in range(50):
        sound.clock.sender_report(rng.uniform(0, 2**32), rng.randrange(1 << 32), 60.0)
        picture.clock.sender_report(0.0, rng.randrange(1 << 32), 60.0)
    sound.errors.clear()
    picture.errors.clear()
    World(13).run([sound, picture], 120.0, start=60.0)
    assert_monotonic(sound, picture)
    assert apart(sound, picture, since=70.0) < LIP_SYNC_S


def test_a_publisher_without_reports_follows_its_arrivals() -> None:
    publisher = PublisherClock()
    sound, picture = classroom_pair(14, publisher, 200)
    sound.first_report_s = picture.first_report_s = 1e9
    World(14).run([sound, picture], 900.0)
    assert_monotonic(sound, picture)
    assert all(abs(error) < 0.4 for true, error in sound.errors + picture.errors if true > 10)


def test_a_frame_out_of_order_takes_the_time_before_it() -> None:
    clock = SourceClock(90_000, PublisherClock())
    for n in range(10):
        clock.arrival(3000 * n, n / 30)
    assert clock.to_timeline(27_000) == clock.to_timeline(24_000)


def test_a_timeline_needs_an_arrival() -> None:
    with pytest.raises(UsageError):
        SourceClock(90_000, PublisherClock()).to_timeline(0)
