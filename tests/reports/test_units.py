"""Numbers as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.reports import units


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1_240_000_000, "1.24 GMACs"),
        (999_960, "1.00 MMACs"),
        (57, "57.0 MACs"),
        (0, "0 MACs"),
        (12_345, "12.3 kMACs"),
        (None, units.NOTHING),
    ],
)
def test_counts_get_a_decimal_prefix(value: float | None, shown: str) -> None:
    assert units.quantity(value, "MACs") == shown


@pytest.mark.parametrize(
    ("value_s", "shown"),
    [
        (0.0123, "12.3 ms"),
        (850e-6, "850 µs"),
        (2.5, "2.50 s"),
        (0.9999, "1.00 s"),
        (3e-9, "3.00 ns"),
        (0.0, "0 s"),
    ],
)
def test_times_get_the_prefix_that_suits(value_s: float, shown: str) -> None:
    assert units.duration(value_s) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.65, "65 %"), (0.0261, "2.6 %"), (0.0001, "< 0.1 %"), (0.0, "0 %"), (-0.27, "-27 %"), (1.0, "100 %")],
)
def test_percent_never_shows_a_part_as_nothing(value: float, shown: str) -> None:
    assert units.percent(value) == shown


def test_one_thing_stands_in_the_singular() -> None:
    assert [units.count(number, "block") for number in (0, 1, 2)] == ["0 blocks", "1 block", "2 blocks"]


def test_a_cosine_near_one_shows_its_distance() -> None:
    assert units.cosine(0.98765) == "0.9877"
    assert units.cosine(0.99995) == "1 - 5.00e-05"
    assert units.cosine(1.0) == "1 - 0"


def test_equal_tensors_have_no_decibels() -> None:
    assert units.decibel(18.26) == "18.3 dB"
    assert units.decibel(None) == units.NOTHING
    assert units.decibel(None, equal=True) == "equal"


def test_a_time_is_shown_to_the_minute() -> None:
    assert units.moment("2026-01-05T10:22:31+00:00") == "2026-01-05 10:22 UTC"
    assert units.moment("2026-01-05T10:22:31") == "2026-01-05 10:22"


@settings(max_examples=50)
@given(st.text(), st.integers(8, 60))
def test_shortened_names_fit_and_keep_both_ends(name: str, width: int) -> None:
    short = units.shortened(name, width)
    assert len(short) <= width
    assert short == name or (name.startswith(short.split("…")[0]) and name.endswith(short[-1]))


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert "\x1b" not in units.printable("a\x1b[2Jb\r\nc")
