"""Element types against onnx's own tables."""

from __future__ import annotations

import numpy
import pytest
from onnx import TensorProto, helper

from deploykit.core.dtypes import (
    ELEMENT_TYPES,
    bits,
    dtype_name,
    element_type,
    is_float,
    numpy_dtype,
    size_bytes,
)

NUMERIC = sorted(set(ELEMENT_TYPES) - {"undefined", "string"})


def test_names_and_numbers_are_those_of_onnx() -> None:
    for name, row in ELEMENT_TYPES.items():
        assert TensorProto.DataType.Name(row.code).lower() == name
        assert dtype_name(row.code) == name
        assert element_type(name) == row.code


@pytest.mark.parametrize("name", NUMERIC)
def test_numpy_types_are_those_of_onnx(name: str) -> None:
    assert numpy_dtype(name) == helper.tensor_dtype_to_np_dtype(element_type(name))


@pytest.mark.parametrize("name", [name for name in NUMERIC if bits(name) >= 8])
def test_whole_byte_types_have_numpys_size(name: str) -> None:
    assert size_bytes(name, 3) == 3 * numpy_dtype(name).itemsize


def test_values_below_a_byte_are_packed() -> None:
    assert size_bytes("int4", 5) == 3  # 20 bits
    assert size_bytes("uint2", 5) == 2  # 10 bits
    assert size_bytes("int4", 0) == 0


def test_unknown_numbers_of_later_versions_are_undefined() -> None:
    assert dtype_name(99) == "undefined"


def test_floats_of_every_width_are_floats() -> None:
    assert {name for name in ELEMENT_TYPES if is_float(name)} == {
        name for name in NUMERIC if numpy.dtype(numpy_dtype(name)).kind in "fV" and "int" not in name
    }
