"""The page on scale says what its script computes, and the arithmetic has no surprises in it."""

from dataclasses import replace
from pathlib import Path

import pytest
from bench.scale import HELP, SIZES, Given, costs, main, need, needs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scale.md"


def test_the_page_shows_what_the_script_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text("utf-8")
    assert needs(Given()) in text
    assert costs(Given()) in text
    assert costs(Given(traffic_price=100, included_tb=0)) in text
    main([])
    assert capsys.readouterr().out == f"{needs(Given())}\n\n{costs(Given())}\n"


def test_every_assumption_is_an_option_with_its_words() -> None:
    assert set(HELP) == set(Given.__dataclass_fields__)


def test_twice_the_lessons_are_twice_the_load() -> None:
    for size in SIZES:
        one, two = need(size, Given()), need(2 * size, Given())
        for figure in ("cores", "in_gbps", "out_gbps", "traffic_tb", "stored_tb"):
            assert getattr(two, figure) == pytest.approx(2 * getattr(one, figure))
        assert two.machines >= one.machines


def test_a_narrow_network_card_binds_before_the_cores_do() -> None:
    wide, narrow = need(1000, Given()), need(1000, Given(vps_gbps=0.1))
    assert (wide.bound_by, narrow.bound_by) == ("core", "network")
    assert narrow.machines > wide.machines


def test_a_higher_price_is_never_cheaper() -> None:
    base = need(100, Given()).cost
    for price in ("vps_price", "traffic_price", "s3_price"):
        assert need(100, replace(Given(), **{price: 2 * getattr(Given(), price)})).cost > base
