"""The way from bytes to axes and back, by hand and for any contract."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.align.contract import Contract, as_yaml, byte_count, decode, encode, stored_values
from deploykit.align.element_types import Array, float8_table, to_codes, to_values
from deploykit.align.tensors import boxes, from_bytes
from deploykit.core.errors import InputError


def test_nhwc_is_a_view_of_the_buffer() -> None:
    buffer = numpy.arange(6, dtype=numpy.float32)
    values = decode(buffer, Contract((1, 3, 1, 2), layout="NHWC"))
    assert values[0, 1].tolist() == [[1.0, 4.0]]
    assert numpy.shares_memory(values, buffer)


def test_blocks_of_four_channels() -> None:
    contract = Contract((1, 5, 1, 2), "uint8", layout="NC4HW4")
    # block 0: pixel 0 has channels 0..3, pixel 1 too; block 1: channel 4 and three that pad
    buffer = bytes([0, 1, 2, 3, 10, 11, 12, 13, 4, 99, 99, 99, 14, 99, 99, 99])
    assert decode(buffer, contract).tolist() == [[[[0, 10]], [[1, 11]], [[2, 12]], [[3, 13]], [[4, 14]]]]


def test_row_pitch_and_tail() -> None:
    contract = Contract((1, 1, 2, 3), "int8", row_pitch_bytes=4, header_bytes=2, tail_bytes=1)
    buffer = bytes([7, 7, 1, 2, 3, 0, 4, 5, 6, 0, 9])
    assert byte_count(contract) == len(buffer)
    assert decode(buffer, contract).tolist() == [[[[1, 2, 3], [4, 5, 6]]]]
    assert decode(buffer[:-2], contract).tolist() == [[[[1, 2, 3], [4, 5, 6]]]]  # no gap after the last row


def test_tiles_of_two_by_two() -> None:
    contract = Contract((1, 1, 2, 3), "uint8", layout="tiled", tile=(2, 2))
    assert decode(bytes([1, 2, 4, 5, 3, 0, 6, 0]), contract).tolist() == [[[[1, 2, 3], [4, 5, 6]]]]


def test_scale_and_zero_point_by_channel() -> None:
    contract = Contract((1, 2, 1, 1), "int8", scale=(0.5, 0.25), zero_point=(-2, 4))
    assert decode(bytes([0, 8]), contract).reshape(-1).tolist() == [1.0, 1.0]
    assert stored_values(bytes([0, 8]), contract).reshape(-1).tolist() == [0, 8]


def test_borders_are_cut_off() -> None:
    contract = Contract((1, 1, 1, 2), "uint8", stored_shape=(1, 1, 3, 4), crop=(0, 0, 1, 1))
    assert decode(bytes(range(12)), contract).tolist() == [[[[5, 6]]]]


def test_halves_of_a_byte() -> None:
    assert decode(bytes([0x2F, 0x08]), Contract((3,), "int4")).tolist() == [-1, 2, -8]
    assert decode(bytes([0xF2, 0x80]), Contract((3,), "int4", endian="big")).tolist() == [-1, 2, -8]


def test_fixed_point_counts_the_sign_either_way() -> None:
    words = numpy.array([384, -128], "<i2").tobytes()
    assert decode(words, Contract((2,), "q7.8")).tolist() == [1.5, -0.5]
    assert decode(words, Contract((2,), "q8.8")).tolist() == [1.5, -0.5]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("float8e4m3fn", ml_dtypes.float8_e4m3fn), ("float8e5m2", ml_dtypes.float8_e5m2)],
)
def test_eight_bit_floats_are_those_of_ml_dtypes(name: str, kind: type) -> None:
    codes = numpy.arange(256, dtype=numpy.uint8)
    numpy.testing.assert_array_equal(float8_table(name), codes.view(kind).astype(numpy.float32))
    grid = numpy.concatenate([numpy.linspace(-500, 500, 4001), numpy.linspace(-0.05, 0.05, 4001)])
    check_rounding(grid.astype(numpy.float32), name, kind)


def test_bfloat16_rounds_as_ml_dtypes_does() -> None:
    values = numpy.random.default_rng(3).standard_normal(10_000).astype(numpy.float32)
    check_rounding(values, "bfloat16", ml_dtypes.bfloat16)


def check_rounding(values: Array, name: str, kind: type) -> None:
    found = to_values(to_codes(values, name), name)
    numpy.testing.assert_array_equal(found, values.astype(kind).astype(numpy.float32))


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    size = st.integers(1, 6)
    shape = draw(st.tuples(st.integers(1, 2), size, size, size))
    border = draw(st.tuples(*[st.integers(0, 1)] * 4))
    dtype = draw(st.sampled_from(["int4", "uint4", "int8", "uint16", "float16", "bfloat16", "float", "q3.4"]))
    layout = draw(st.sampled_from(["NCHW", "NHWC", "NHCW", "NC1HWC0", "NC4HW4", "tiled"]))
    plain = Contract(
        shape,
        dtype,
        draw(st.sampled_from(["little", "big"])),
        layout,
        channel_block=draw(st.integers(2, 5)) if layout in ("NC1HWC0", "NHWC") else 0,
        tile=(2, 3) if layout == "tiled" else (),
        header_bytes=draw(st.integers(0, 3)),
        tail_bytes=draw(st.integers(0, 3)),
        stored_shape=tuple(length + 2 * more for length, more in zip(shape, border, strict=True)),
        crop=border,
    )
    return plain if layout == "tiled" else wider(draw, plain)


def wider(draw: st.DrawFn, plain: Contract) -> Contract:
    """Add a row pitch that has room for the longest row."""
    gap = draw(st.integers(0, 5))
    return replace(plain, row_pitch_bytes=8 * 14 * 4 + gap) if gap else plain


@given(contracts(), st.integers(0, 2**32 - 1))
def test_what_is_encoded_is_decoded(contract: Contract, seed: int) -> None:
    values = numpy.random.default_rng(seed).integers(-8, 8, contract.shape)
    if contract.dtype.startswith("u"):
        values = abs(values)
    buffer = encode(values, contract)
    expected = numpy.clip(values, -8, 7.9375) if contract.dtype == "q3.4" else values
    assert len(buffer) == byte_count(contract)
    numpy.testing.assert_array_equal(decode(buffer, contract), expected)


@given(contracts(), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_blocks_of_a_mapped_dump_are_the_dump(contract: Contract, seed: int, limit: int) -> None:
    if contract.dtype.startswith(("int", "uint")):
        contract = replace(
            contract, scale=tuple(0.5 + index for index in range(contract.shape[1])), zero_point=(3,)
        )
    data = numpy.random.default_rng(seed).bytes(byte_count(contract))
    tensor, found = from_bytes(data, contract), numpy.full(contract.shape, numpy.nan)
    starts = []
    for start, box in boxes(contract.shape, limit):
        values = tensor.take(box)
        assert values.flags.c_contiguous
        assert values.dtype.isnative
        with numpy.errstate(invalid="ignore"):  # any bytes: some are NaN that signals
            found[box] = values
        starts.append((start, values.size))
    numpy.testing.assert_array_equal(found, decode(data, contract))
    assert starts == [
        (sum(size for _, size in starts[:index]), size) for index, (_, size) in enumerate(starts)
    ]


@pytest.mark.parametrize("dtype", ["int64", "uint64", "uint32", "int32"])
def test_whole_numbers_keep_every_digit(dtype: str) -> None:
    limits = numpy.iinfo(dtype)
    values = numpy.array([limits.min, limits.max, 1], dtype)
    numpy.testing.assert_array_equal(
        decode(encode(values, Contract((3,), dtype)), Contract((3,), dtype)), values
    )


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="13 bytes, the contract explains 12"):
        decode(bytes(13), Contract((3,)))


def test_all_faults_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Contract((1, 3, 4, 4), "float", endian="middle", layout="NC1HWC0", scale=(0.1, 0.2))
    assert [fault.where for fault in caught.value.faults] == ["endian", "channel_block", "scale", "scale"]


def test_a_pitch_below_the_row_is_refused() -> None:
    with pytest.raises(InputError, match="8 bytes are less than the 16 that lie inside"):
        Contract((1, 3, 4, 4), row_pitch_bytes=8)


def test_an_unknown_type_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'float16'"):
        Contract((3,), "flaot16")


def test_yaml_holds_what_is_no_default() -> None:
    contract = Contract((1, 3, 4, 4), "i8", layout="NC1HWC2", channel_block=16, scale=(0.5,))
    assert as_yaml(contract).splitlines() == [
        "shape: [1, 3, 4, 4]",
        "dtype: int8",
        "layout: NC1HWC2",
        "channel_block: 16",
        "scale: [0.5]",
    ]
