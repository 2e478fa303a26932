"""The fit of decode speeds."""

from __future__ import annotations

import pytest

from deploykit.analysis.llm.decode_fit import DecodePoint, fit_decode, leave_one_out
from deploykit.core.errors import InputError


def test_exact_measurements_give_back_what_made_them() -> None:
    points = [
        DecodePoint(size * 1e9, size / 20 + layers * 3e-4, layers)
        for size, layers in ((0.5, 24), (1.0, 22), (3.0, 32), (6.0, 28))
    ]
    fit = fit_decode(points)
    assert fit.bandwidth_bytes_per_s == pytest.approx(20e9)
    assert fit.launch_s == pytest.approx(3e-4)
    assert leave_one_out(points) == pytest.approx((0, 0, 0, 0), abs=1e-9)


def test_a_launch_takes_no_less_than_nothing() -> None:
    fit = fit_decode([DecodePoint(1e9, 0.09), DecodePoint(2e9, 0.2), DecodePoint(3e9, 0.31)])
    assert fit.launch_s == 0
    assert fit.bandwidth_bytes_per_s == pytest.approx(1e10, rel=0.1)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([DecodePoint(1e9, 0.1), DecodePoint(2e9, 0.2)], "measure at least 3"),
        ([DecodePoint(1e9, 0.1)] * 4, "of different sizes"),
        ([DecodePoint(1e9, 0.3), DecodePoint(2e9, 0.2), DecodePoint(3e9, 0.1)], "more bytes take less time"),
    ],
)
def test_what_cannot_be_fitted_is_said(points: list[DecodePoint], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit_decode(points)
