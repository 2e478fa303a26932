"""Faults put into a small smooth map by hand: each is named, and its fix gives the reference back."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML

from deploykit.align.contract import Contract, decode, encode
from deploykit.align.diagnosis import Context, Diagnosis, diagnose

Array = NDArray[Any]
SHAPE = (2, 6, 20, 27)
PLAIN = Contract(SHAPE)


@pytest.fixture(scope="module")
def activation() -> Array:
    """Blobs of different place and width in every channel, half of the map zero, as behind a ReLU."""
    random = numpy.random.default_rng(5)
    rows, columns = numpy.mgrid[:20, :27]
    planes = numpy.zeros(SHAPE, numpy.float32)
    for plane in planes.reshape(-1, 20, 27):
        for _ in range(6):
            row, column, width = random.uniform(0, 20), random.uniform(0, 27), random.uniform(1.5, 4)
            distance = (rows - row) ** 2 + (columns - column) ** 2
            plane += (random.uniform(0.3, 1) * numpy.exp(-distance / width**2)).astype(numpy.float32)
    return numpy.asarray(numpy.maximum(planes - 0.15, 0))


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [cause.kind for cause in diagnosis.causes]


@pytest.mark.parametrize(
    ("changes", "kind", "lines"),
    [
        ({"layout": "NHWC"}, "layout", ("layout: NHWC",)),
        ({"layout": "NC1HWC0", "channel_block": 4}, "channel_block", ("layout: NC1HWC0", "channel_block: 4")),
        ({"layout": "NC1HWC0", "channel_block": 5}, "channel_block", ("layout: NC1HWC0", "channel_block: 5")),
        ({"row_pitch_bytes": 128}, "row_pitch", ("row_pitch_bytes: 128",)),
        ({"row_pitch_bytes": 116}, "row_pitch", ("row_pitch_bytes: 116",)),
        ({"channel_pitch_bytes": 2176}, "channel_pitch", ("channel_pitch_bytes: 2176",)),
        ({"header_bytes": 20}, "header", ("header_bytes: 20",)),
        ({"tail_bytes": 33}, "tail", ("tail_bytes: 33",)),
        ({"dtype": "float16"}, "dtype", ("dtype: float16",)),
        ({"endian": "big"}, "endian", ("endian: big",)),
    ],
)
def test_storage_is_named_with_the_line_that_reads_it(
    activation: Array, changes: dict[str, Any], kind: str, lines: tuple[str, ...]
) -> None:
    dump = encode(activation, replace(PLAIN, **changes))
    found = diagnose(activation, dump, PLAIN)
    assert found.verdict == "named", found.text
    assert [(cause.kind, cause.fix) for cause in found.causes] == [(kind, lines)]
    assert found.repair is not None
    assert numpy.abs(found.repair.values(dump) - activation).max() < 2e-3
    written = YAML(typ="safe").load("\n".join(lines))
    assert numpy.abs(decode(dump, replace(PLAIN, **written)) - activation).max() < 2e-3


@pytest.mark.parametrize(
    ("axes", "kind", "lines"),
    [
        ((1,), ["channel_order"], [("channel_order: [5, 4, 3, 2, 1, 0]",)]),
        ((2,), ["flip"], [("flip: [H]",)]),
        ((2, 3), ["flip", "flip"], [("flip: [H]",), ("flip: [W]",)]),
        ((0,), ["batch"], [("order_N: [1, 0]",)]),
    ],
)
def test_reversed_axes(
    activation: Array, axes: tuple[int, ...], kind: list[str], lines: list[tuple[str, ...]]
) -> None:
    found = diagnose(activation, encode(numpy.flip(activation, axes), PLAIN), PLAIN)
    assert found.verdict == "named"
    assert kinds(found) == kind
    assert [cause.fix for cause in found.causes] == lines


def test_channels_in_any_order(activation: Array) -> None:
    order = [3, 0, 5, 1, 2, 4]  # board channel c holds reference channel order[c]
    found = diagnose(activation, encode(activation[:, order], PLAIN), PLAIN)
    assert found.causes[0].fix == ("channel_order: [1, 3, 4, 0, 5, 2]",)  # the inverse


def test_a_shift_of_one_pixel(activation: Array) -> None:
    board = numpy.zeros_like(activation)
    board[..., 1:] = activation[..., :-1]
    found = diagnose(activation, encode(board, PLAIN), PLAIN)
    assert kinds(found)[0] in ("shift", "letterbox")
    assert found.causes[0].fix == ("shift_W: 1",)


def test_an_offset_code_read_as_unsigned(activation: Array) -> None:
    stored = Contract(SHAPE, "int8", scale=(0.01,), zero_point=(-100,))
    found = diagnose(activation, encode(activation, stored), replace(stored, dtype="uint8"))
    assert kinds(found) == ["dtype"]
    assert found.causes[0].fix[0] == "dtype: int8"
    assert found.causes[0].fix[2] == "zero_point: [-100]"


def test_a_normalisation_done_twice(activation: Array) -> None:
    found = diagnose(activation, encode(activation * 4 - 2, PLAIN), PLAIN)
    assert found.verdict == "named"
    assert found.causes[0].kind == "affine"
    assert found.causes[0].fix == ("gain: [0.25]", "offset: [0.5]")


def test_two_faults_are_both_named(activation: Array) -> None:
    stored = replace(PLAIN, layout="NHWC", dtype="float16")
    found = diagnose(activation, encode(activation * 3 + 1, stored), PLAIN)
    assert sorted(kinds(found)) == ["affine", "dtype", "layout"]
    found = diagnose(activation, encode(activation[:, ::-1], replace(PLAIN, layout="NHWC")), PLAIN)
    assert sorted(kinds(found)) == ["channel_order", "layout"]


def test_faults_that_no_reading_undoes(activation: Array) -> None:
    silent = activation.copy()
    silent[:, 2:4] = 0
    found = diagnose(activation, encode(silent, PLAIN), PLAIN)
    assert kinds(found) == ["constant_channels"]
    assert "channels 2-3 of 6" in found.text
    first = activation.copy()
    first[1] = 0
    assert kinds(diagnose(activation, encode(first, PLAIN), PLAIN)) == ["batch"]
    bias = numpy.broadcast_to(activation.mean((0, 2, 3), keepdims=True), SHAPE)
    assert kinds(diagnose(activation, encode(bias, PLAIN), PLAIN)) == ["constant"]
    spoiled = activation.copy()
    spoiled[1, 2, 3, 4] = numpy.nan
    found = diagnose(activation, encode(spoiled, PLAIN), PLAIN)
    assert kinds(found) == ["nan"]
    assert "[1, 2, 3, 4]" in found.text


def test_float16_overflow_and_saturation(activation: Array) -> None:
    large = activation * (2e5 / activation.max())
    with numpy.errstate(over="ignore"):
        half = large.astype(numpy.float16).astype(numpy.float32)
    assert kinds(diagnose(large.astype(numpy.float32), encode(half, PLAIN), PLAIN)) == ["fp16_overflow"]
    stopped = numpy.minimum(activation, numpy.float32(0.4))
    assert kinds(diagnose(activation, encode(stopped, PLAIN), PLAIN)) == ["saturation"]


def test_a_dump_that_ends_early(activation: Array) -> None:
    dump = encode(activation, PLAIN)
    found = diagnose(activation, dump[: len(dump) - 5000], PLAIN)
    assert (found.verdict, kinds(found)) == ("named", ["truncated"])
    assert "5000 bytes" in found.text


def test_fixed_point_codes_need_no_second_cause(activation: Array) -> None:
    stored = replace(PLAIN, dtype="int16", scale=(2.0**-9,))
    found = diagnose(activation, encode(activation, stored), PLAIN)
    assert kinds(found) == ["dtype"]
    assert found.causes[0].fix[0] == "dtype: int16"


def test_frames_runs_and_repeats(activation: Array) -> None:
    dump = encode(activation, PLAIN)
    other = activation[:, :, ::-1].copy() + 0.1 * activation
    named = diagnose(other, dump, PLAIN, context=Context(references={"frame 7": activation}))
    assert named.causes[0].fix == ("frame: frame 7",)
    again = encode(activation * numpy.float32(1.1), PLAIN)
    assert kinds(diagnose(other, dump, PLAIN, context=Context(second_run=again))) == ["nondeterminism"]
    context = Context(earlier_board=dump, earlier_reference=activation)
    assert kinds(diagnose(other, dump, PLAIN, context=context)) == ["stale"]


def test_no_cause_where_there_is_none(activation: Array) -> None:
    random = numpy.random.default_rng(1)
    assert diagnose(activation, encode(activation, PLAIN), PLAIN).verdict == "match"
    step = float(activation.max()) / 63
    found = diagnose(activation, encode(numpy.rint(activation / step) * step, PLAIN), PLAIN)
    assert (found.verdict, found.causes) == ("noise", ())
    power = float(numpy.square(activation).mean())
    error = float(numpy.square(numpy.rint(activation / step) * step - activation).mean())
    assert found.sqnr_db == pytest.approx(10 * math.log10(power / error), abs=1e-3)
    unrelated = random.normal(size=SHAPE).astype(numpy.float32)
    found = diagnose(activation, encode(unrelated, PLAIN), PLAIN)
    assert (found.verdict, found.causes) == ("no explanation", ())


def test_two_numbers_say_too_little() -> None:
    reference = numpy.array([[4.0, 4.0]], numpy.float32)
    found = diagnose(reference, encode(reference * 2, Contract((1, 2))), Contract((1, 2)))
    assert found.verdict == "ambiguous"
    assert {found.causes[0].kind, found.runner_up[0].kind} == {"scale", "offset"}


def test_shapes_have_to_agree() -> None:
    with pytest.raises(ValueError, match="the contract"):
        diagnose(numpy.zeros((1, 2)), b"", Contract((1, 3)))


def test_it_needs_numpy_alone() -> None:
    code = "import sys, json, deploykit.align.diagnosis; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"onnx", "pydantic", "click", "scipy", "rich"} & {name.split(".")[0] for name in loaded}


def test_channels_rolled_by_one_are_no_shift(activation: Array) -> None:
    found = diagnose(activation, encode(numpy.roll(activation, 1, 1), PLAIN), PLAIN)
    assert (found.verdict, found.causes[0].fix) == ("named", ("channel_order: [1, 2, 3, 4, 5, 0]",))


def test_a_channel_that_repeats_its_neighbour(activation: Array) -> None:
    stuck = activation.copy()
    stuck[:, 4] = stuck[:, 3]
    found = diagnose(activation, encode(stuck, PLAIN), PLAIN)
    assert "channels 4 of 6 are wrong (copies of 3)" in found.text


def test_one_value_that_stops_at_the_largest_float16(activation: Array) -> None:
    large = (activation * (60000 / activation.max())).astype(numpy.float32)
    large[0, 0, 0, 0] = 90000
    found = diagnose(large, encode(numpy.minimum(large, numpy.float32(65504)), PLAIN), PLAIN)
    assert kinds(found) == ["fp16_overflow"]


def test_a_gain_that_drifts_along_the_width_is_not_called_noise(activation: Array) -> None:
    drifting = activation * numpy.linspace(0.7, 1.3, SHAPE[3], dtype=numpy.float32)
    found = diagnose(activation, encode(drifting, PLAIN), PLAIN)
    assert (found.verdict, found.causes) == ("no explanation", ())


def test_an_activation_that_is_missing_is_told_from_one_that_is_only_alike(activation: Array) -> None:
    board = activation - 0.3
    found = diagnose(numpy.maximum(board, 0), encode(board, PLAIN), PLAIN)
    assert found.causes[0].fix == ("apply: relu",)
    bent = (activation**1.3).astype(numpy.float32)
    assert "activation" not in kinds(diagnose(activation, encode(bent, PLAIN), PLAIN))
