"""Comparisons of dumps that were made by hand, and of a network with a planted fault."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from numpy.typing import NDArray

from deploykit.artifacts.dumps import Comparison, DumpedTensor, DumpSet
from deploykit.core.errors import InputError
from deploykit.stages.compare import CompareParams, Tolerance, compare_dumps
from deploykit.stages.dump import DumpParams, collect_dumps
from deploykit.tasks.protocol import Clip

if TYPE_CHECKING:
    from tests.stages.conftest import Bench


def dumps_of(
    bench: Bench,
    label: str,
    tensors: Mapping[str, object],
    *,
    clips: Sequence[tuple[str, int]] = (("clip", 2),),
    inputs: Mapping[str, tuple[str, ...]] | None = None,
) -> DumpSet:
    made = []
    for name, values in tensors.items():
        array = numpy.asarray(values, numpy.float32)
        with bench.workspace.scratch() as folder:
            numpy.save(folder / "t.npy", array)
            blob = bench.workspace.keep(folder / "t.npy")
        reads = (inputs or {}).get(name, ())
        made.append(DumpedTensor(name, f"n_{name}", "whole", array.shape[1:], "float", blob, reads))
    return DumpSet("net", label, tuple(clips), tuple(made))


def compared(bench: Bench, a: DumpSet, b: DumpSet, **options: Any) -> Comparison:
    return compare_dumps(a, b, reader=bench.workspace, params=CompareParams(**options))


def test_measures_over_all_frames_and_by_frame(bench: Bench) -> None:
    a = dumps_of(bench, "float", {"t": [[3.0, 4.0], [0.0, 10.0]]})
    b = dumps_of(bench, "quantized", {"t": [[3.0, 4.0], [0.0, 9.0]]})
    (found,) = compared(bench, a, b).tensors
    assert found.relative_l2 == pytest.approx(1 / math.sqrt(125))
    assert found.sqnr_db == pytest.approx(10 * math.log10(125))
    assert found.cosine == pytest.approx(115 / math.sqrt(125 * 106))
    assert (found.max_abs, found.max_abs_index, found.nan_count) == (1.0, 3, 0)
    assert found.sqnr_db_by_frame == pytest.approx((math.inf, 20.0))
    assert found.passed


def test_missing_and_extra_tensors_are_named(bench: Bench) -> None:
    a = dumps_of(bench, "float", {"t": [[1.0]], "gone": [[1.0]]}, clips=[("clip", 1)])
    b = dumps_of(bench, "board", {"t": [[1.0]], "new": [[1.0]]}, clips=[("clip", 1)])
    found = compared(bench, a, b)
    assert (found.missing, found.extra) == (("gone",), ("new",))
    assert [tensor.name for tensor in found.tensors] == ["t"]


def test_sets_without_a_common_name_are_an_error(bench: Bench) -> None:
    a, b = dumps_of(bench, "float", {"t": [[1.0]]}), dumps_of(bench, "board", {"u": [[1.0]]})
    with pytest.raises(InputError, match="float and board share no tensor name"):
        compared(bench, a, b)


def test_other_clips_are_an_error(bench: Bench) -> None:
    a = dumps_of(bench, "float", {"t": [[1.0]]}, clips=[("clip", 1)])
    b = dumps_of(bench, "board", {"t": [[1.0]]}, clips=[("other", 1)])
    with pytest.raises(
        InputError, match=r"float has the clips clip \(1 frames\), board has other \(1 frames\)"
    ):
        compared(bench, a, b)


def test_shapes_that_differ_are_all_named(bench: Bench) -> None:
    a = dumps_of(bench, "float", {"t": [[1.0, 2.0]], "u": [[1.0]]})
    b = dumps_of(bench, "board", {"t": [[[1.0], [2.0]]], "u": [[1.0, 1.0]]})
    with pytest.raises(InputError) as error:
        compared(bench, a, b)
    assert [str(fault) for fault in error.value.faults] == [
        "t: its shape is [2] in float, [2, 1] in board",
        "u: its shape is [1] in float, [2] in board",
    ]


def test_nan_on_one_side_never_passes(bench: Bench) -> None:
    a = dumps_of(bench, "float", {"t": [[0.0, 1.0]]})
    b = dumps_of(bench, "board", {"t": [[math.nan, 1.0]]})
    found = compared(bench, a, b, tolerances=())
    (tensor,) = found.tensors
    assert (tensor.nan_count, tensor.passed, tensor.reason) == (1, False, "1 values are NaN or infinite")
    assert found.first_divergence == "t"
    assert found.divergence_reason == "NaN or infinite values first appear at node n_t"


def test_the_last_tolerance_that_matches_decides(bench: Bench) -> None:
    a = dumps_of(bench, "float", {"head.box": [[10.0, 0.0]], "head.score": [[10.0, 0.0]]})
    b = dumps_of(bench, "board", {"head.box": [[9.0, 0.0]], "head.score": [[9.0, 0.0]]})
    tolerances = (Tolerance("head.*", sqnr_db=30.0), Tolerance("*.score", max_abs=2.0))
    box, score = compared(bench, a, b, tolerances=tolerances).tensors
    assert (box.passed, box.reason) == (False, "sqnr_db 20, at least 30 wanted")
    assert (score.passed, score.reason) == (True, "")


def test_equal_zeros_pass_any_tolerance(bench: Bench) -> None:
    a = dumps_of(bench, "float", {"t": [[0.0]]})
    (tensor,) = compared(bench, a, dumps_of(bench, "board", {"t": [[0.0]]})).tensors
    assert (tensor.passed, tensor.cosine, tensor.sqnr_db) == (True, 1.0, math.inf)


def test_a_tensor_that_is_all_zero_on_the_board_fails(bench: Bench) -> None:
    a = dumps_of(bench, "float", {"t": [[1.0]]})
    tolerances = (Tolerance("*", cosine=0.5),)
    (tensor,) = compared(bench, a, dumps_of(bench, "board", {"t": [[0.0]]}), tolerances=tolerances).tensors
    assert math.isnan(tensor.cosine)
    assert not tensor.passed


def test_a_tolerance_that_matches_nothing_is_an_error(bench: Bench) -> None:
    a = dumps_of(bench, "float", {"heatmap": [[1.0]]})
    with pytest.raises(InputError, match=r"compare.tolerances.0.match: 'heatmpa' .* did you mean 'heatmap'"):
        compared(bench, a, a, tolerances=(Tolerance("heatmpa", cosine=0.9),))


def test_the_first_divergence_is_where_the_error_jumps(bench: Bench) -> None:
    inputs = {"b": ("a",), "c": ("b",), "d": ("c",)}
    values = {name: [[100.0, 0.0]] for name in "abcd"}
    changed = {"a": [[99.0, 0]], "b": [[98.5, 0]], "c": [[60.0, 0]], "d": [[40.0, 0]]}
    found = compared(
        bench,
        dumps_of(bench, "float", values, inputs=inputs),
        dumps_of(bench, "board", changed, inputs=inputs),
    )
    assert found.first_divergence == "c"
    assert found.divergence_reason.startswith("the relative error rises from 0.015 in b to 0.4 at node n_c")


def test_the_worst_spatial_tensors_get_pictures(bench: Bench) -> None:
    base = numpy.zeros((1, 1, 2, 100, 200), numpy.float32)
    base[..., 0] = 1.0
    changed = base.copy()
    changed[0, 0, 0, :50, :100] += 1.0
    a = dumps_of(bench, "float", {"map": base, "same": base, "flat": [[1.0]]})
    b = dumps_of(bench, "board", {"map": changed, "same": base, "flat": [[2.0]]})
    (picture,) = compared(bench, a, b).heat_maps
    assert (picture.tensor, picture.rows, picture.columns) == ("map", 48, 160)
    rows = numpy.array(picture.values).reshape(48, 160)
    assert rows[:23, :79] == pytest.approx(0.5)
    assert rows[25:].max() == rows[:, 81:].max() == 0.0


def test_a_planted_fault_is_found_in_a_network(bench: Bench) -> None:
    text = """g (float[1,4,6,6] x) => (float[1,4,6,6] y)
{
    first = Conv (x, w1)
    second = Conv (first, w2)
    third = Relu (second)
    y = Conv (third, w3)
}"""
    generator = numpy.random.default_rng(0)
    weights: dict[str, NDArray[Any]] = {
        name: generator.standard_normal((4, 4, 1, 1)).astype(numpy.float32) for name in ("w1", "w2", "w3")
    }
    good = bench.whole(bench.model(text, **weights))
    weights["w2"] = weights["w2"] + numpy.float32(0.5)
    bad = bench.whole(bench.model(text, **weights))
    clip = Clip("clip", ({"x": generator.standard_normal((1, 4, 6, 6)).astype(numpy.float32)},))
    a, b = (
        collect_dumps(network, [clip], label=label, params=DumpParams(), workspace=bench.workspace)
        for network, label in ((good, "good"), (bad, "bad"))
    )
    found = compare_dumps(a, b, reader=bench.workspace, params=CompareParams())
    assert found.first_divergence == "second"
    assert [tensor.name for tensor in found.tensors if tensor.relative_l2 == 0] == ["x", "first"]
    assert dataclasses.asdict(found)["reference"] == "good"
