"""The laws of the mountain report: from what was recorded to figures, without browser or link."""

import base64
from typing import Any

import numpy as np
import pytest
from bench.mountain import figures, timecode
from bench.mountain.diary import BLOCK, Diary, Picture, Snapshot, Sound
from bench.mountain.figures import LinkSample, Run
from bench.mountain.materials import SPEECH
from bench.mountain.run import Outcome
from bench.mountain.table import markdown
from numpy.typing import NDArray

RATE = timecode.RATE
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def spoken() -> Sound:
    return Sound(NOW, timecode.speech_with_marks(timecode.read_speech(SPEECH), 40))


def with_gap(samples: NDArray[np.float64], begin_s: float, end_s: float) -> NDArray[np.float64]:
    cut = samples.copy()
    cut[round(begin_s * RATE) : round(end_s * RATE)] = 0
    return cut


def run_of(spoken: Sound, heard: Sound, **more: Any) -> Run:
    given: dict[str, Any] = {"pictures": [], "snapshots": [], **more}
    return Run(opened_s=NOW - 5, begin_s=NOW + 2, end_s=NOW + 38, heard=heard, spoken=spoken, **given)


def test_what_arrives_whole_is_whole_and_late_by_the_delay(spoken: Sound) -> None:
    found = figures.figures(run_of(spoken, Sound(NOW + 0.7, spoken.samples)), 1)
    assert found["reached"] == 1
    assert found["delay_p50_s"] == pytest.approx(0.7, abs=0.02)
    assert found["longest_silence_s"] == pytest.approx(0, abs=0.1)


def test_a_gap_is_a_silence_of_its_length_and_its_seconds_are_lost(spoken: Sound) -> None:
    found = figures.figures(run_of(spoken, Sound(NOW + 0.5, with_gap(spoken.samples, 10, 14))), 1)
    assert found["longest_silence_s"] == pytest.approx(4, abs=0.1)
    assert found["reached"] == pytest.approx(1 - 4 / 36, abs=0.03)


def test_seconds_that_are_heard_later_are_not_lost(spoken: Sound) -> None:
    """Cut for six seconds, then from the place where it stopped, six seconds behind."""
    cut, rest = 10 * RATE, 34 * RATE
    heard = np.concatenate([spoken.samples[:cut], np.zeros(6 * RATE), spoken.samples[cut:rest]])
    outage = (NOW + 10, NOW + 16)
    found = figures.figures(run_of(spoken, Sound(NOW + 0.4, heard), outage_s=outage), 1)
    assert found["reached"] == 1
    assert found["behind_s"] == pytest.approx(6.4, abs=0.05)
    assert found["sound_back_s"] == pytest.approx(0.4, abs=0.1)
    assert found["longest_silence_after_s"] == pytest.approx(0, abs=0.1)
    assert found["delay_p95_s"] == pytest.approx(6.4, abs=0.05)


def test_a_room_that_falls_silent_for_good_has_not_reached_the_lesson(spoken: Sound) -> None:
    """Until second 12 of 38 it hears everything, then nothing."""
    found = figures.figures(run_of(spoken, Sound(NOW + 0.5, with_gap(spoken.samples, 12, 40))), 1)
    assert found["reached"] == 1, "nothing was skipped on the way"
    assert found["reached_of_all"] == pytest.approx(10 / 32, abs=0.04)
    assert found["behind_s"] == pytest.approx(38 - 11, abs=0.2)
    assert found["came_to_s"] == pytest.approx(11 - 2, abs=0.2)


def test_a_room_that_catches_up_has_not_reached_yet_what_it_has_not_come_to(spoken: Sound) -> None:
    """Cut for twelve seconds, then from the place where it stopped."""
    cut = 10 * RATE
    heard = np.concatenate([spoken.samples[:cut], np.zeros(12 * RATE), spoken.samples[cut : 28 * RATE]])
    found = figures.figures(run_of(spoken, Sound(NOW + 0.4, heard), outage_s=(NOW + 10, NOW + 22)), 1)
    assert found["reached"] == 1
    assert found["behind_s"] == pytest.approx(12.4, abs=0.05)
    assert found["came_to_s"] == pytest.approx(25 - 2, abs=1.1)
    assert found["reached_of_all"] == pytest.approx(24 / 32, abs=0.04)


def test_a_room_that_hears_live_through_a_deep_buffer_has_reached_all(spoken: Sound) -> None:
    found = figures.figures(run_of(spoken, Sound(NOW + 3, spoken.samples)), 1)
    assert (found["reached"], found["reached_of_all"]) == (1, 1)
    assert found["behind_s"] == pytest.approx(3, abs=0.05)


def test_a_room_that_heard_nothing_has_reached_nothing(spoken: Sound) -> None:
    found = figures.figures(run_of(spoken, Sound(NOW, np.zeros(RATE))), 1)
    assert (found["reached"], found["reached_of_all"], found["came_to_s"]) == (0, 0, None)


def test_what_was_recorded_of_a_reboot_begins_anew_with_silence_between() -> None:
    diary = Diary()
    tone = (np.ones(BLOCK) * 1000).astype("<i2")
    coded = base64.b64encode(tone.tobytes()).decode()

    def told(origin: float, at_s: float, blocks: int) -> dict[str, Any]:
        # The second block is held up by a busy page: it must not move the clock.
        sound = [
            [(at_s + (n + 1) * 0.1 + (0.4 if n == 1 else 0.01)) * 1000, (n + 1) * BLOCK, coded] for n in range(blocks)
        ]
        return {"origin": origin, "fetched": [], "frames": [], "stats": [], "sound": sound, "microphone": []}

    diary.add(told(1, NOW, 10))
    diary.add(told(2, NOW + 3, 10))
    sound = diary.sound()
    levels = figures.levels(sound.samples)
    assert sound.begin_s == pytest.approx(NOW + 0.01, abs=0.002)
    assert figures.longest_run(levels < figures.SILENT) * figures.BLOCK_S == pytest.approx(2, abs=0.05)
    assert figures.first_sound(sound, NOW + 1.5) == pytest.approx(NOW + 3.01, abs=0.05)


def test_time_that_a_busy_machine_lost_is_neither_silence_nor_a_shift_of_the_clock() -> None:
    diary = Diary()
    coded = base64.b64encode((np.ones(BLOCK) * 5000).astype("<i2").tobytes()).decode()
    sound = [[(NOW + (n + 1) * 0.1 + (0.3 if n >= 50 else 0)) * 1000, (n + 1) * BLOCK, coded] for n in range(100)]
    diary.add({"origin": 1, "fetched": [], "frames": [], "stats": [], "sound": sound, "microphone": []})
    heard = diary.sound()
    assert diary.lag_s() == pytest.approx(0.3, abs=0.001)
    assert heard.end_s - NOW == pytest.approx(10.3, abs=0.01)
    assert figures.longest_silence(heard, NOW, NOW + 10.2) == pytest.approx(0, abs=0.05)


def test_silence_before_and_after_the_recording_is_silence() -> None:
    sound = Sound(NOW, np.ones(RATE))
    assert figures.longest_silence(sound, NOW - 2, NOW + 1) == pytest.approx(2, abs=0.03)
    assert figures.longest_silence(sound, NOW, NOW + 4) == pytest.approx(3, abs=0.03)


def audio(at_s: float, connection: str, concealed: int, silent: int, total: int) -> Snapshot:
    entry = {
        "id": "a",
        "type": "inbound-rtp",
        "kind": "audio",
        "packetsReceived": total // 960,
        "concealedSamples": concealed,
        "silentConcealedSamples": silent,
        "totalSamplesReceived": total,
    }
    return Snapshot(NOW + at_s, connection, "connected", [entry])


def test_concealment_counts_growth_in_the_window_over_all_connections_without_silence() -> None:
    snapshots = [
        audio(0, "one", 5000, 0, 48_000),
        audio(10, "one", 10_000, 1000, 528_000),
        audio(20, "two", 2000, 0, 480_000),
        audio(99, "two", 400_000, 0, 900_000),
    ]
    share = figures.concealed(snapshots, NOW + 1, NOW + 30)
    assert share == pytest.approx((4000 + 2000) / (480_000 + 480_000))


def test_no_sound_at_all_is_not_a_share_of_nought() -> None:
    assert figures.concealed([], NOW, NOW + 10) is None


def shots(times: list[float], person: int | None = 1) -> list[Picture]:
    return [Picture(NOW + at, 1, person, number, 640, 360) for number, at in enumerate(times)]


def test_a_picture_that_stands_is_no_picture_rate() -> None:
    moving = shots([number / 10 for number in range(51)]) + shots([10.0])
    found = figures.picture_figures(moving, NOW, NOW + 10)
    assert found["fps"] == pytest.approx(5.2, abs=0.2)
    assert found["still_share"] == pytest.approx(0.5, abs=0.01)
    assert found["longest_still_s"] == pytest.approx(5, abs=0.01)
    repeated = [Picture(NOW + n / 10, 1, 1, 7, 640, 360) for n in range(100)]
    assert figures.picture_figures(repeated, NOW, NOW + 10)["fps"] == pytest.approx(0.1)


def test_sending_above_the_link_is_timed_by_the_rate_of_that_time() -> None:
    samples, sent = [], 0
    for tick in range(40):
        at, rate = tick * 0.5, 400_000.0 if tick < 20 else 100_000.0
        samples.append(LinkSample(NOW + at, rate, sent, sent, 0))
        sent += 20_000  # 320 kbit/s
    assert figures.over_link(samples[:20]) == 0
    assert figures.over_link(samples) == pytest.approx(9.5, abs=0.6)
    unlimited = [LinkSample(one.at_s, 0, one.bytes_in, one.bytes_out, 0) for one in samples]
    assert figures.over_link(unlimited) == 0


def test_the_table_shows_medians_and_says_which_runs_to_distrust() -> None:
    def outcome(value: float, trusted: bool) -> Outcome:
        return Outcome("barely", "plain", "classroom", {"concealed": value}, trusted, {}, {}, [], [], [], {})

    text = markdown([outcome(0.1, True), outcome(0.3, False), outcome(0.2, True)])
    assert "| barely | plain | classroom | 3 (1 on a busy machine) | 20.0% |" in text
    assert "fps" not in text
