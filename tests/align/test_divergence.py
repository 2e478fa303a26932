"""Where two runs part, on chains whose errors are given."""

from __future__ import annotations

import math

from deploykit.align.divergence import ErrorPoint, first_divergence


def chain(*errors: float) -> list[ErrorPoint]:
    return [
        ErrorPoint(f"t{index}", f"n{index}", error, (f"t{index - 1}",) if index else ())
        for index, error in enumerate(errors)
    ]


def test_the_largest_jump_wins_over_the_largest_error() -> None:
    found = first_divergence(chain(0.005, 0.01, 0.4, 0.9, 0.95), noise=0.01)
    assert found is not None
    assert (found.tensor, found.jump) == ("t2", 40.0)
    assert found.reason == (
        "the relative error rises from 0.01 in t1 to 0.4 at node n2, the largest jump along the network"
    )


def test_smooth_growth_is_no_divergence() -> None:
    assert first_divergence(chain(0.01, 0.02, 0.03, 0.05, 0.08), noise=0.01) is None


def test_noise_below_the_floor_is_no_divergence() -> None:
    assert first_divergence(chain(0.0, 0.009), noise=0.01) is None


def test_a_tensor_is_held_against_its_worst_input() -> None:
    points = [
        ErrorPoint("a", "na", 0.5, ()),
        ErrorPoint("b", "nb", 0.01, ()),
        ErrorPoint("sum", "add", 0.5, ("a", "b")),
    ]
    found = first_divergence(points, noise=0.01)
    assert found is not None
    assert found.tensor == "a"


def test_nan_is_found_where_it_begins() -> None:
    found = first_divergence(chain(0.01, math.inf, math.inf), noise=0.01)
    assert found is not None
    assert (found.tensor, found.reason) == ("t1", "NaN or infinite values first appear at node n1")


def test_a_state_that_is_as_wrong_as_it_was_written_is_not_the_cause() -> None:
    points = [
        ErrorPoint("previous", "", 0.5, ()),
        ErrorPoint("x", "nx", 0.5, ("previous",)),
        ErrorPoint("bad", "nb", 0.4, ("y",)),
        ErrorPoint("memory", "nm", 0.5, ("x", "bad")),
    ]
    points.insert(2, ErrorPoint("y", "ny", 0.001, ()))
    found = first_divergence(points, noise=0.01, feeds={"previous": "memory"})
    assert found is not None
    assert found.tensor == "bad"


def test_an_input_that_differs_is_the_first_cause() -> None:
    points = [ErrorPoint("image", "", 0.7, ()), ErrorPoint("y", "conv", 0.6, ("image",))]
    found = first_divergence(points, noise=0.01)
    assert found is not None
    assert found.reason == "the relative error is 0.7 in this input already, before anything else differs"
